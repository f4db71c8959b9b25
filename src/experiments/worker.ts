/**
 * A worker process: computes the cells it is sent, one at a time, and reports. It ends when its parent does, also when
 * the parent is killed; what it has done by then lies in the cell's folder.
 */
import { abortedError } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Cell } from "./cell.js";
import { CellFolder } from "./cell-folder.js";
import type { FromWorker, ToWorker } from "./messages.js";
import { runCell } from "./run-cell.js";
import { openStudy, type StudyOptions } from "./studies.js";
import type { Testbed } from "./testbed.js";

/** Milliseconds between two reports of progress. */
const REPORT_EVERY = 1000;

const stop = new AbortController();
process.on("disconnect", () => process.exit(1));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {}); // the parent decides
process.on("message", (message: ToWorker) => {
  if (message.kind === "stop") stop.abort(new Error("the study stops"));
  else void work(message);
});
tell({ kind: "ready" });

let testbed: { seed: number; open: Promise<Testbed> } | undefined;

async function work({
  cell,
  root,
  keys,
  study,
  threads,
}: Extract<ToWorker, { kind: "work" }>): Promise<void> {
  try {
    let told = performance.now();
    const result = await runCell(cell, {
      seed: cell.seed,
      testbed: await testbedOf(study, cell, root, threads),
      folder: folderOf(root, cell, keys, cell.id),
      input: (id) => folderOf(root, cell, keys, id),
      signal: stop.signal,
      onProgress: (done, total) => {
        if (performance.now() - told < REPORT_EVERY) return;
        told = performance.now();
        tell({ kind: "progress", done, total });
      },
    });
    tell({ kind: "done", result });
  } catch (error) {
    const known = stop.signal.aborted ? abortedError(stop.signal) : error;
    const { message, stack } = error as Error;
    tell({
      kind: "failed",
      aborted: SwirlError.isInstance(known) && known.code === "ABORTED",
      error: SwirlError.isInstance(error) ? message : (stack ?? message),
    });
  }
}

function testbedOf(options: StudyOptions, { seed }: Cell, root: string, threads: number): Promise<Testbed> {
  if (testbed?.seed !== seed) testbed = { seed, open: openStudy({ ...options, threads }).open(seed, root) };
  return testbed.open;
}

function folderOf(root: string, { seed }: Cell, keys: Record<string, string>, id: string): CellFolder {
  return new CellFolder(root, { id, seed }, keys[id]!);
}

function tell(message: FromWorker): void {
  process.send!(message);
}
