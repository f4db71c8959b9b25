/**
 * Weights & Biases and Trackio through their own Python packages, in a child process: neither has a maintained
 * JavaScript client or a stable wire format. Their environment variables and offline modes work as
 * in Python. If the child ends or hangs, the call fails; the next call starts another child.
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import { PYTHON_BRIDGE } from "./python-bridge.js";
import type { TrackedRun, Tracker } from "./tracker.js";

/** Options of {@link wandbTracker} and {@link trackioTracker}. */
export interface PythonTrackerOptions {
  /** The Python that has the package. SWIRL_PYTHON, else `python3`. */
  python?: string | undefined;
}

/** A tracker that logs to Weights & Biases through the Python package `wandb`. */
export function wandbTracker(options: PythonTrackerOptions = {}): Tracker {
  return ofArguments("wandbTracker", "{ python? }", () => pythonTracker("wandb", options));
}

/** A tracker that logs to Trackio through the Python package `trackio`. */
export function trackioTracker(options: PythonTrackerOptions = {}): Tracker {
  return ofArguments("trackioTracker", "{ python? }", () => pythonTracker("trackio", options));
}

export function pythonTracker(
  name: "wandb" | "trackio",
  { python = process.env.SWIRL_PYTHON ?? "python3" }: PythonTrackerOptions = {},
): Tracker {
  let bridge: Bridge | undefined;
  let begun: TrackedRun | undefined;
  const begin = async (run: TrackedRun, signal: AbortSignal) => {
    bridge ??= new Bridge(python, name);
    const { id, ...rest } = run;
    // Trackio resumes by name alone.
    const value = await bridge.call(
      "begin",
      { run_id: id, ...rest, ...(name === "trackio" ? { name: `${run.name} ${id}` } : {}) },
      signal,
    );
    begun = run;
    return value;
  };
  const call = async (method: string, data: object, signal: AbortSignal) => {
    if (bridge?.ended) bridge = undefined;
    if (!bridge) await begin(begun!, signal);
    await bridge!.call(method, data, signal);
  };
  return {
    name,
    check: () => requirePackage(python, name),
    begin: async (run, { signal }) => {
      if (bridge?.ended) bridge = undefined;
      const url = await begin(run, signal);
      return typeof url === "string" ? `the run is shown at ${url}` : undefined;
    },
    log: (entries, { signal }) => call("log", { entries }, signal),
    table: (table, { signal }) => call("table", table, signal),
    finish: async (end, { signal }) => {
      await call("finish", { end }, signal);
      bridge?.end();
    },
  };
}

/** @throws SwirlError CONFIG if this Python cannot import the package. */
async function requirePackage(python: string, name: string): Promise<void> {
  const code = `import sys; sys.path[:] = [p for p in sys.path if p]; import importlib.util as u; s = u.find_spec("${name}"); sys.exit(0 if s and s.origin else 3)`;
  const problem = await new Promise<string | undefined>((resolve) => {
    execFile(python, ["-c", code], { timeout: 30_000 }, (error) => {
      if (!error) resolve(undefined);
      else if (error.code === 3) resolve(`${python} has no package ${name}`);
      else resolve(`${python} does not run (${String(error.code ?? error.message)})`);
    });
  });
  if (problem === undefined) return;
  throw new SwirlError("CONFIG", `trackers: "${name}" needs Python with its package: ${problem}`, {
    remedy: `python3 -m pip install ${name}, or name a Python that has it: SWIRL_PYTHON=venv/bin/python`,
    details: { field: "trackers" },
  });
}

type Answer = { ok: true; value: unknown } | { ok: false; error: string };

/** One child process; calls are made one after the other. */
class Bridge {
  readonly #child: ChildProcess;
  #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;
  #errors = "";
  ended = false;

  constructor(python: string, name: string) {
    // Its own process group: Ctrl-C must only reach this process, which then ends the run in order.
    this.#child = spawn(python, ["-u", "-c", PYTHON_BRIDGE, name], {
      detached: true,
      stdio: ["pipe", "ignore", "pipe", "pipe"],
    });
    this.#child.on("error", (error) => this.#stop(error));
    this.#child.on("exit", (code, signal) =>
      this.#stop(new Error(`the Python process ended (${signal ?? code}): ${this.#errors.slice(-400)}`)),
    );
    this.#child.stdin!.on("error", () => {}); // its exit is reported
    this.#child.stderr!.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString("utf8")).slice(-4000);
    });
    createInterface({ input: this.#child.stdio[3] as Readable }).on("line", (line) => this.#answer(line));
    // A finished run does not wait for it.
    this.#child.unref();
    for (const stream of this.#child.stdio) (stream as unknown as { unref?: () => void } | null)?.unref?.();
  }

  call(method: string, data: object, signal: AbortSignal): Promise<unknown> {
    if (this.ended) return Promise.reject(new Error("the Python process has ended"));
    return new Promise((resolve, reject) => {
      const abort = () => this.kill();
      const done = () => signal.removeEventListener("abort", abort);
      this.#waiting = {
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#child.stdin!.write(`${JSON.stringify({ call: method, with: data })}\n`);
    });
  }

  /** Lets it exit by itself. */
  end(): void {
    this.ended = true;
    this.#child.stdin!.end();
  }

  /** An answer that came too late would be mistaken for that of a later call. */
  kill(): void {
    this.#child.kill("SIGKILL");
    this.#stop(new Error("it did not answer in time"));
  }

  #answer(line: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const answer = JSON.parse(line) as Answer;
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(new Error(redactText(answer.error)));
  }

  #stop(error: Error): void {
    this.ended = true;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
