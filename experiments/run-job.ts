/**
 * Computes one job in its folder. An interrupted job resumes from its last checkpoint or its last whole record, and
 * comes out as if it had not been interrupted.
 */
import type { FiguresOf, Job, JobResult, JobWork } from "./job.js";
import type { JobContext } from "./job-context.js";
import { imitate } from "./jobs/imitate.js";
import { measure } from "./jobs/measure.js";
import { select } from "./jobs/select.js";
import { sftOnSelection } from "./jobs/sft-on-selection.js";
import { swirl } from "./jobs/swirl.js";
import { synthesizePool } from "./jobs/synthesize-pool.js";

export async function runJob(job: Job, context: JobContext): Promise<JobResult> {
  const { folder, signal } = context;
  signal.throwIfAborted();
  await folder.open();
  const known = await folder.result();
  if (known) return known;
  const before = await folder.spent();
  const started = performance.now();
  const usage = process.cpuUsage();
  const spent = () => {
    const { user, system } = process.cpuUsage(usage);
    return {
      seconds: round(before.seconds + (performance.now() - started) / 1000),
      processorSeconds: round(before.processorSeconds + (user + system) / 1e6),
    };
  };
  try {
    const figures = await compute(job.work, context);
    const { id, seed, work } = job;
    const result: JobResult = { version: 1, id, seed, key: folder.key, work, figures, ...spent() };
    await folder.finish(result);
    await folder.remove("checkpoints", "spent.json");
    return result;
  } catch (error) {
    if (signal.aborted) await folder.spend(spent());
    throw error;
  }
}

function compute(work: JobWork, context: JobContext): Promise<FiguresOf[JobWork["kind"]]> {
  switch (work.kind) {
    case "imitate":
      return imitate(work, context);
    case "synthesize":
      return synthesizePool(work, context);
    case "select":
      return select(work, context);
    case "sft":
      return sftOnSelection(work, context);
    case "swirl":
      return swirl(work, context);
    case "measure":
      return measure(work, context);
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
