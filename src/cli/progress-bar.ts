/**
 * One line of progress on stderr for anything that may take over two seconds. On a terminal a bar that is redrawn in
 * place; elsewhere a line every ten seconds; with --json nothing.
 *
 * However a command ends, the terminal is left as it was: the cursor is never hidden, line wrapping stays on, and the
 * timer that redraws the clock does not keep the process alive. `say` and `stopProgress` keep text and bar apart.
 */

export interface ProgressLine {
  /** Sets the progress; `note` follows the bar. Without a total the last one is kept; there may be none yet. */
  update(done: number, total: number | undefined, note?: string): void;
  /** Ends the bar; the line stays. */
  stop(): void;
}

interface Bar extends ProgressLine {
  draw(): void;
}

const QUIET: ProgressLine = { update: () => {}, stop: () => {} };
const LINE_EVERY_MS = 10_000;
const DRAW_EVERY_MS = 100;
const CLOCK_EVERY_MS = 1000;
const WIDEST_BAR = 30;
const CLEAR_LINE = "\r\u001b[K";

/** The bar on the screen; stages run one after another. */
let current: Bar | undefined;

export function progressLine(name: string, options: { quiet: boolean }): ProgressLine {
  stopProgress();
  if (options.quiet) return QUIET;
  return process.stderr.isTTY && process.env.TERM !== "dumb" ? bar(name) : lines(name);
}

/** Writes a line to stderr, above the bar where there is one. */
export function say(text: string): void {
  // The terminal may also have echoed the ^C that stopped the command.
  process.stderr.write(`${process.stderr.isTTY ? CLEAR_LINE : ""}${text}\n`);
  current?.draw();
}

/** Ends the bar that is on the screen, whichever stage began it. */
export function stopProgress(): void {
  current?.stop();
}

function bar(name: string): ProgressLine {
  const clock = stopwatch();
  let state: ProgressState | undefined;
  let drawn = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  const self: Bar = {
    draw() {
      if (!state) return;
      drawn = performance.now();
      process.stderr.write(CLEAR_LINE + barText(name, clock(state), process.stderr.columns || 80));
    },
    update(done, total, note = "") {
      state = { done, first: state?.first ?? done, total: total ?? state?.total, note };
      if (timer === undefined) {
        stopProgress();
        current = self;
        timer = setInterval(self.draw, CLOCK_EVERY_MS).unref();
      }
      if (performance.now() - drawn >= DRAW_EVERY_MS) self.draw();
    },
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      self.draw();
      process.stderr.write("\n");
      if (current === self) current = undefined;
    },
  };
  return self;
}

interface ProgressState {
  done: number;
  /** Progress at the first update: a resumed stage does not begin at 0. */
  first: number;
  total: number | undefined;
  note: string;
}

interface TimedState extends ProgressState {
  /** Seconds since the beginning, and the estimate of those left; undefined until there is a pace. */
  elapsed: number;
  left: number | undefined;
}

function stopwatch(): (state: ProgressState) => TimedState {
  const started = performance.now();
  return (state) => {
    const elapsed = (performance.now() - started) / 1000;
    return { ...state, elapsed, left: secondsLeft(state, elapsed) };
  };
}

export function secondsLeft({ done, first, total }: ProgressState, elapsed: number): number | undefined {
  if (total === undefined || done <= first || done >= total || elapsed < 2) return undefined;
  return (elapsed / (done - first)) * (total - done);
}

/** The whole line, shorter than the terminal is wide: one that wraps cannot be redrawn in place. */
export function barText(name: string, state: TimedState, columns: number): string {
  const { done, total, elapsed, left, note } = state;
  const head = `${name.padEnd(11)} `;
  const count = total === undefined ? `${done}` : `${done}/${total}`;
  const time = `${duration(elapsed)}${left === undefined ? "" : `, ${duration(left)} left`}`;
  const tail = [count, time, note].filter((part) => part !== "").join("  ");
  const room = Math.min(WIDEST_BAR, columns - 1 - head.length - tail.length - 2);
  const share = total === undefined ? undefined : total === 0 ? 1 : Math.min(1, done / total);
  const blocks =
    share === undefined || room < 5
      ? ""
      : `${"█".repeat(Math.round(share * room))}${"░".repeat(room - Math.round(share * room))}  `;
  return [...`${head}${blocks}${tail}`].slice(0, columns - 1).join("");
}

/** "7 s", "3:05", "1:02:03". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
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
    stop() {
      process.stderr.write(pending);
      pending = "";
    },
  };
}
