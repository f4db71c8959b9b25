/** SFT within a job: checkpoints while it runs, the policy in the job's folder at the end. */
import { type NativePolicy, sft, type Trajectory } from "swirl-rl";
import type { SftSettings, TrainingFigures } from "../job.js";
import type { JobContext } from "../job-context.js";
import { publish } from "./publish.js";

export async function supervise(
  policy: NativePolicy,
  trajectories: readonly Trajectory[],
  settings: SftSettings,
  { seed, testbed, folder, signal, onProgress }: JobContext,
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
