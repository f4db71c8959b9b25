/** The base of a study: the policy it starts from, taught by demonstrations. */
import type { ImitateWork, TrainingFigures } from "../job.js";
import type { JobContext } from "../job-context.js";
import { policyOf } from "./policy-of.js";
import { supervise } from "./supervise.js";

export async function imitate(work: ImitateWork, context: JobContext): Promise<TrainingFigures> {
  const { testbed, signal } = context;
  await using policy = await policyOf(null, context, true);
  const demonstrations = await testbed.demonstrations(work.demonstrations, policy, {
    keepThoughts: work.keepThoughts,
    signal,
  });
  return await supervise(policy, demonstrations, work.sft, context);
}
