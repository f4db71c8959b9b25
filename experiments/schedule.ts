/**
 * Runs the jobs of a study that are not done, on worker processes, in an order that their needs allow and that is
 * otherwise the study's own. Stops at once when the signal fires: jobs under way keep what they have. A job that
 * fails, or whose worker dies, ends the run once the others under way have ended; finished jobs are kept.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SwirlError } from "swirl-rl";
import { Estimate } from "./estimate.js";
import { type Job, type JobResult, needsOf } from "./job.js";
import { JobFolder } from "./job-folder.js";
import type { FromWorker, ToWorker } from "./messages.js";
import type { StudyOptions } from "./studies.js";

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

export interface PlannedJob {
  job: Job;
  /** Keys of all jobs of its seed. */
  keys: ReadonlyMap<string, string>;
}

export interface ScheduleProgress {
  done: number;
  total: number;
  /** The job that was just finished. */
  finished?: JobResult;
  /** What the workers are doing. */
  running: readonly { seed: number; id: string; done: number; total: number | undefined }[];
  secondsLeft: number | undefined;
}

export interface ScheduleOptions {
  study: StudyOptions;
  root: string;
  jobs: readonly PlannedJob[];
  workers: number;
  threads: number;
  signal: AbortSignal;
  onProgress: (progress: ScheduleProgress) => void;
}

interface RunningJob {
  planned: PlannedJob;
  done: number;
  total: number | undefined;
}

/** Results of all jobs that are done, those of earlier runs included, and whether any is left. */
export async function schedule(options: ScheduleOptions): Promise<{ results: JobResult[]; left: number }> {
  const { root, jobs, workers, signal } = options;
  const results = new Map<string, JobResult>();
  for (const planned of jobs) {
    const found = await folderOf(root, planned).result();
    if (found) results.set(nameOf(planned.job), found);
  }
  const estimate = new Estimate([...results.values()]);
  const waiting = jobs.filter((planned) => !results.has(nameOf(planned.job)));
  const running = new Map<ChildProcess, RunningJob>();
  let failure: SwirlError | undefined;

  const report = (finished?: JobResult) =>
    options.onProgress({
      done: results.size,
      total: jobs.length,
      ...(finished ? { finished } : {}),
      running: [...running.values()].map(({ planned: { job }, done, total }) => ({
        seed: job.seed,
        id: job.id,
        done,
        total,
      })),
      secondsLeft: estimate.secondsLeft(
        [...waiting, ...[...running.values()].map(({ planned }) => planned)].map(({ job }) => job),
        workers,
      ),
    });
  const isReady = ({ job }: PlannedJob) =>
    needsOf(job.work).every((id) => results.has(nameOf({ seed: job.seed, id })));
  const next = (worker: ChildProcess): boolean => {
    if (signal.aborted || failure) return false;
    const index = waiting.findIndex(isReady);
    if (index < 0) return false;
    const [planned] = waiting.splice(index, 1);
    running.set(worker, { planned: planned!, done: 0, total: undefined });
    send(worker, {
      kind: "work",
      study: options.study,
      job: planned!.job,
      root,
      keys: Object.fromEntries(planned!.keys),
      threads: options.threads,
    });
    return true;
  };

  const idle = new Set<ChildProcess>();
  const wake = () => {
    for (const worker of [...idle]) if (next(worker)) idle.delete(worker);
    // No job runs and none can begin: the study is done, stopped, or has failed.
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
        untilExit(fork(WORKER, { stdio: ["ignore", "inherit", "inherit", "ipc"] }), {
          onMessage: (worker, message) => {
            const current = running.get(worker);
            if (message.kind === "progress" && current) {
              Object.assign(current, { done: message.done, total: message.total });
              report();
              return;
            }
            running.delete(worker);
            if (message.kind === "done" && current) {
              results.set(nameOf(current.planned.job), message.result);
              estimate.add(message.result);
              report(message.result);
            }
            if (message.kind === "failed" && !message.aborted && current)
              failure ??= jobFailed(current.planned.job, message.error);
            idle.add(worker);
            wake();
          },
          onExit: (worker) => {
            const current = running.get(worker);
            idle.delete(worker);
            running.delete(worker);
            if (current && !signal.aborted)
              failure ??= jobFailed(current.planned.job, "its worker process died");
            wake();
          },
        }),
      ),
    );
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (failure) throw failure;
  return {
    results: jobs.flatMap((planned) => results.get(nameOf(planned.job)) ?? []),
    left: jobs.length - results.size,
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

function folderOf(root: string, { job, keys }: PlannedJob): JobFolder {
  return new JobFolder(root, job, keys.get(job.id)!);
}

function nameOf({ seed, id }: Pick<Job, "seed" | "id">): string {
  return `${seed} ${id}`;
}

function jobFailed({ id, seed }: Job, error: string): SwirlError {
  return new SwirlError("INTERNAL", `seed ${seed}, ${id}: ${error}`, {
    remedy: "finished jobs are kept: mend the cause and run the same command again",
  });
}
