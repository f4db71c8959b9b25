/**
 * Runs the cells of a study that are not done, on worker processes, in an order that their needs allow and that is
 * otherwise the study's own. Stops at once when the signal fires: cells under way keep what they have. A cell that
 * fails, or whose worker dies, ends the run after the others under way; what is done stays done.
 */
import { type ChildProcess, fork } from "node:child_process";
import { SwirlError } from "../errors/swirl-error.js";
import { type Cell, type CellResult, needsOf } from "./cell.js";
import { CellFolder } from "./cell-folder.js";
import { Estimate } from "./estimate.js";
import type { FromWorker, ToWorker } from "./messages.js";
import type { StudyOptions } from "./studies.js";

export interface PlannedCell {
  cell: Cell;
  /** Keys of all cells of its seed. */
  keys: ReadonlyMap<string, string>;
}

export interface ScheduleProgress {
  done: number;
  total: number;
  /** The cell that was just finished. */
  finished?: CellResult;
  /** What the workers are at. */
  running: readonly { seed: number; id: string; done: number; total: number | undefined }[];
  secondsLeft: number | undefined;
}

export interface ScheduleOptions {
  study: StudyOptions;
  root: string;
  cells: readonly PlannedCell[];
  workers: number;
  threads: number;
  signal: AbortSignal;
  onProgress: (progress: ScheduleProgress) => void;
}

interface Job {
  planned: PlannedCell;
  done: number;
  total: number | undefined;
}

/** Results of all cells that are done, those of earlier runs included, and whether any is left. */
export async function schedule(options: ScheduleOptions): Promise<{ results: CellResult[]; left: number }> {
  const { root, cells, workers, signal } = options;
  const results = new Map<string, CellResult>();
  for (const planned of cells) {
    const found = await folderOf(root, planned).result();
    if (found) results.set(nameOf(planned.cell), found);
  }
  const estimate = new Estimate([...results.values()]);
  const waiting = cells.filter((planned) => !results.has(nameOf(planned.cell)));
  const running = new Map<ChildProcess, Job>();
  let failure: SwirlError | undefined;

  const report = (finished?: CellResult) =>
    options.onProgress({
      done: results.size,
      total: cells.length,
      ...(finished ? { finished } : {}),
      running: [...running.values()].map(({ planned: { cell }, done, total }) => ({
        seed: cell.seed,
        id: cell.id,
        done,
        total,
      })),
      secondsLeft: estimate.secondsLeft(
        [...waiting, ...[...running.values()].map(({ planned }) => planned)].map(({ cell }) => cell),
        workers,
      ),
    });
  const isReady = ({ cell }: PlannedCell) =>
    needsOf(cell.work).every((id) => results.has(nameOf({ seed: cell.seed, id })));
  const next = (worker: ChildProcess): boolean => {
    if (signal.aborted || failure) return false;
    const index = waiting.findIndex(isReady);
    if (index < 0) return false;
    const [planned] = waiting.splice(index, 1);
    running.set(worker, { planned: planned!, done: 0, total: undefined });
    send(worker, {
      kind: "work",
      study: options.study,
      cell: planned!.cell,
      root,
      keys: Object.fromEntries(planned!.keys),
      threads: options.threads,
    });
    return true;
  };

  const idle = new Set<ChildProcess>();
  const wake = () => {
    for (const worker of [...idle]) if (next(worker)) idle.delete(worker);
    // Nobody works and nobody can begin: the study is done, stopped, or has failed.
    if (running.size === 0) for (const worker of idle) if (worker.connected) worker.disconnect();
  };
  const stop = () => {
    for (const worker of running.keys()) send(worker, { kind: "stop" });
    wake();
  };
  signal.addEventListener("abort", stop);
  report();
  try {
    const count = signal.aborted ? 0 : Math.min(workers, waiting.length);
    await Promise.all(
      Array.from({ length: count }, () =>
        untilExit(
          fork(new URL("./worker.js", import.meta.url), { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
          {
            onMessage: (worker, message) => {
              const job = running.get(worker);
              if (message.kind === "progress" && job) {
                Object.assign(job, { done: message.done, total: message.total });
                report();
                return;
              }
              running.delete(worker);
              if (message.kind === "done" && job) {
                results.set(nameOf(job.planned.cell), message.result);
                estimate.add(message.result);
                report(message.result);
              }
              if (message.kind === "failed" && !message.aborted && job)
                failure ??= cellFailed(job.planned.cell, message.error);
              idle.add(worker);
              wake();
            },
            onExit: (worker) => {
              const job = running.get(worker);
              idle.delete(worker);
              running.delete(worker);
              if (job && !signal.aborted) failure ??= cellFailed(job.planned.cell, "its worker process died");
              wake();
            },
          },
        ),
      ),
    );
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (failure) throw failure;
  return {
    results: cells.flatMap((planned) => results.get(nameOf(planned.cell)) ?? []),
    left: cells.length - results.size,
  };
}

function untilExit(
  worker: ChildProcess,
  on: {
    onMessage: (worker: ChildProcess, message: FromWorker) => void;
    onExit: (worker: ChildProcess) => void;
  },
): Promise<void> {
  return new Promise((resolve) => {
    worker.on("message", (message) => on.onMessage(worker, message as FromWorker));
    worker.on("exit", () => {
      on.onExit(worker);
      resolve();
    });
  });
}

function send(worker: ChildProcess, message: ToWorker): void {
  if (worker.connected) worker.send(message);
}

function folderOf(root: string, { cell, keys }: PlannedCell): CellFolder {
  return new CellFolder(root, cell, keys.get(cell.id)!);
}

function nameOf({ seed, id }: Pick<Cell, "seed" | "id">): string {
  return `${seed} ${id}`;
}

function cellFailed({ id, seed }: Cell, error: string): SwirlError {
  return new SwirlError("INTERNAL", `seed ${seed}, ${id}: ${error}`, {
    remedy: "finished cells are kept: mend the cause and run the same command again",
  });
}
