/** Checks that a trajectory in an output file belongs to this run. Two runs mixed in one file would go unnoticed. */
import type { Trajectory } from "../trajectory/trajectory.js";
import { trajectorySeed } from "./rollout.js";
import type { RolloutSetup } from "./rollout-setup.js";

/** How the record differs from this run's options; undefined when it does not. */
export function differsFrom(
  trajectory: Trajectory,
  { policy, format, callLimit, options }: RolloutSetup,
): string | undefined {
  if (trajectory.policy !== policy.id) return `its policy is ${trajectory.policy}, this one is ${policy.id}`;
  if (trajectory.seed !== trajectorySeed(options.seed, trajectory.questionId, trajectory.sample)) {
    return `it was made with a seed other than ${options.seed}`;
  }
  if (trajectory.callLimit !== callLimit)
    return `its callLimit is ${trajectory.callLimit}, this one is ${callLimit}`;
  if (JSON.stringify(trajectory.format) !== JSON.stringify(format)) return "its action format differs";
  return undefined;
}
