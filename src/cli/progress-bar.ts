/**
 * One line of progress on stderr for anything that may take over two seconds. On a terminal a bar; elsewhere a line
 * every ten seconds; with --json nothing.
 */
import { Presets, SingleBar } from "cli-progress";

export interface ProgressLine {
  /** Sets how far it is; `note` follows the bar. Without a total the last one stays; there may be none yet. */
  update(done: number, total: number | undefined, note?: string): void;
  /** Prints a line above the bar. */
  say(text: string): void;
  /** Ends the bar; the line stays. */
  stop(): void;
}

const QUIET: ProgressLine = { update: () => {}, say: () => {}, stop: () => {} };
const LINE_EVERY_MS = 10_000;

export function progressLine(name: string, options: { quiet: boolean }): ProgressLine {
  if (options.quiet) return QUIET;
  return process.stderr.isTTY ? bar(name) : lines(name);
}

function bar(name: string): ProgressLine {
  const single = new SingleBar(
    {
      format: `${name.padEnd(11)} {bar} {value}/{total} {eta_formatted} {note}`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 50,
      fps: 5,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  let started = false;
  let known: number | undefined;
  return {
    update(done, total, note = "") {
      known = total ?? known;
      if (!started) single.start(known ?? Math.max(1, done), done, { note });
      started = true;
      single.setTotal(known ?? Math.max(1, done));
      single.update(done, { note });
    },
    say(text) {
      if (started) process.stderr.write("\r\u001b[K");
      process.stderr.write(`${text}\n`);
    },
    stop() {
      if (started) single.stop();
    },
  };
}

function lines(name: string): ProgressLine {
  const started = performance.now();
  let last = started;
  let pending = "";
  let known: number | undefined;
  return {
    update(done, total, note = "") {
      known = total ?? known;
      const seconds = Math.round((performance.now() - started) / 1000);
      pending = `${name}: ${done}${known === undefined ? "" : `/${known}`}, ${seconds} s${note ? `, ${note}` : ""}\n`;
      if (performance.now() - last < LINE_EVERY_MS) return;
      last = performance.now();
      process.stderr.write(pending);
      pending = "";
    },
    say(text) {
      process.stderr.write(`${text}\n`);
    },
    stop() {
      process.stderr.write(pending);
      pending = "";
    },
  };
}
