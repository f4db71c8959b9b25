/** Loads the policy a cell builds on. */
import type { NativePolicy } from "../../policy/native-policy.js";
import type { PolicyId } from "../cell.js";
import type { CellContext } from "../run-cell.js";

export async function policyOf(
  id: PolicyId,
  { testbed, input, signal }: CellContext,
  trainable: boolean,
): Promise<NativePolicy> {
  return testbed.load(id === null ? await testbed.start() : input(id).policy, trainable, signal);
}
