/** SFT within a cell: checkpoints while it runs, the policy in the cell's folder at the end. */
import type { NativePolicy } from "../../policy/native-policy.js";
import { sft } from "../../train/sft.js";
import type { Trajectory } from "../../trajectory/trajectory.js";
import type { SftSettings, TrainingFigures } from "../cell.js";
import type { CellContext } from "../run-cell.js";
import { publish } from "./publish.js";

export async function supervise(
  policy: NativePolicy,
  trajectories: readonly Trajectory[],
  settings: SftSettings,
  { seed, testbed, folder, signal, onProgress }: CellContext,
): Promise<TrainingFigures> {
  const result = await sft({
    policy,
    trajectories,
    ...settings,
    seed,
    checkpoints: { folder: folder.file("checkpoints"), every: testbed.checkpointEvery, keep: 1 },
    metricsFile: folder.file("metrics.jsonl"),
    onProgress: ({ step, totalSteps }) => onProgress(step, totalSteps),
    signal,
  });
  await publish(policy, folder);
  const { steps: updates, tokens, treeTokens } = result;
  return { updates, trajectories: trajectories.length, tokens, treeTokens };
}
