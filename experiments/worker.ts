/**
 * A worker process: computes the jobs it is sent, one at a time, and reports. It ends when its parent does, also when
 * the parent is killed; what it has done by then is in the job's folder.
 */
import { SwirlError } from "swirl-rl";
import type { Job } from "./job.js";
import { JobFolder } from "./job-folder.js";
import type { FromWorker, ToWorker } from "./messages.js";
import { runJob } from "./run-job.js";
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

async function work({ job, root, keys, study, threads }: Extract<ToWorker, { kind: "work" }>): Promise<void> {
  try {
    let told = performance.now();
    const result = await runJob(job, {
      seed: job.seed,
      testbed: await testbedOf(study, job, root, threads),
      folder: folderOf(root, job, keys, job.id),
      input: (id) => folderOf(root, job, keys, id),
      signal: stop.signal,
      onProgress: (done, total) => {
        if (performance.now() - told < REPORT_EVERY) return;
        told = performance.now();
        tell({ kind: "progress", done, total });
      },
    });
    tell({ kind: "done", result });
  } catch (error) {
    const { message, stack } = error as Error;
    tell({
      kind: "failed",
      aborted: stop.signal.aborted,
      error: SwirlError.isInstance(error) ? message : (stack ?? message),
    });
  }
}

function testbedOf(options: StudyOptions, { seed }: Job, root: string, threads: number): Promise<Testbed> {
  if (testbed?.seed !== seed) testbed = { seed, open: openStudy({ ...options, threads }).open(seed, root) };
  return testbed.open;
}

function folderOf(root: string, { seed }: Job, keys: Record<string, string>, id: string): JobFolder {
  return new JobFolder(root, { id, seed }, keys[id]!);
}

function tell(message: FromWorker): void {
  process.send!(message);
}
