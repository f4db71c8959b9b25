/** Loads the policy a job builds on. */
import type { NativePolicy } from "swirl-rl";
import type { PolicyId } from "../job.js";
import type { JobContext } from "../job-context.js";

export async function policyOf(
  id: PolicyId,
  { testbed, input, signal }: JobContext,
  trainable: boolean,
): Promise<NativePolicy> {
  return testbed.load(id === null ? await testbed.start() : input(id).policy, trainable, signal);
}
