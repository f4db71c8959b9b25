/**
 * stdout and stderr of the command, and what happens when their reader is gone.
 *
 * A closed stderr loses messages, never the run. A closed stdout (`| head`) stops the command at its next safe point:
 * nobody reads its results. Without the listeners here, both would end the process with an unhandled "error" event.
 */
export interface OutputProblem {
  /** EPIPE: the reader is gone. Any other code, such as ENOSPC, is the reason why the results could not be written. */
  code: string;
  message: string;
}

let problem: OutputProblem | undefined;
const listeners = new Set<() => void>();

/** Call it once, before anything is written. */
export function watchOutput(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    problem ??= { code: error.code ?? "", message: error.message };
    for (const listener of listeners) listener();
  });
}

/** What went wrong with stdout so far. */
export function outputProblem(): OutputProblem | undefined {
  return problem;
}

/** Calls `listener` when stdout fails; the result removes it. */
export function onOutputProblem(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A line on stdout. */
export function print(text: string): void {
  if (!problem) process.stdout.write(`${text}\n`);
}

/** Resolves when everything written has been flushed, or cannot be. */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => {
      if (stream.destroyed || stream.writableEnded) return resolve();
      stream.write("", () => resolve());
    });
}
