/** The alternative to step-wise RL: maximum likelihood of the kept trajectories. */
import type { SftWork, TrainingFigures } from "../job.js";
import type { JobContext } from "../job-context.js";
import { policyOf } from "./policy-of.js";
import { readAll } from "./read-all.js";
import { supervise } from "./supervise.js";

export async function sftOnSelection(work: SftWork, context: JobContext): Promise<TrainingFigures> {
  await using policy = await policyOf(work.policy, context, true);
  return await supervise(policy, await readAll(context.input(work.selection).kept), work.sft, context);
}
