/** Stage 2 within a job: step-wise RL from the base, the base as the reference of the KL term. */
import { readFile } from "node:fs/promises";
import { noisyJudge, outcomeReward, type TrainRecord, train } from "swirl-rl";
import type { SwirlWork, TrainingFigures } from "../job.js";
import type { JobContext } from "../job-context.js";
import { policyOf } from "./policy-of.js";
import { publish } from "./publish.js";
import { readAll } from "./read-all.js";

/** Every action of an update is judged at once, so that an outcome reward continues them in one batch. */
const AT_ONCE = 1024;

export async function swirl(work: SwirlWork, context: JobContext): Promise<TrainingFigures> {
  const { seed, testbed, folder, input, signal, onProgress } = context;
  const trajectories = await readAll(input(work.selection).kept);
  await using policy = await policyOf(work.policy, context, true);
  await using reference = await policyOf(work.policy, context, false);
  const result = await train({
    policy,
    reference,
    trajectories,
    ...(work.reward === "outcome"
      ? {
          reward: outcomeReward({
            task: testbed.task,
            rollout: { ...testbed.rollout, keepThoughts: work.keepThoughts },
          }),
        }
      : { judge: work.wrong ? noisyJudge(testbed.judge, { rate: work.wrong, seed }) : testbed.judge }),
    maxNewTokens: testbed.maxNewTokens,
    ...work.train,
    judgeConcurrency: AT_ONCE,
    seed,
    checkpoints: { folder: folder.file("checkpoints"), every: testbed.checkpointEvery, keep: 1 },
    metricsFile: folder.file("metrics.jsonl"),
    onProgress: ({ step, totalSteps }) => onProgress(step, totalSteps),
    signal,
  });
  await publish(policy, folder);
  const { steps: updates, tokens, treeTokens } = result;
  return {
    updates,
    trajectories: trajectories.length,
    tokens,
    treeTokens,
    ...rewards(await readMetrics(folder.file("metrics.jsonl"))),
  };
}

async function readMetrics(file: string): Promise<TrainRecord[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as TrainRecord);
}

/** Of the first and the last tenth of the updates. */
function rewards(records: readonly TrainRecord[]): Partial<TrainingFigures> {
  const tenth = Math.max(1, Math.round(records.length / 10));
  const firstReward = mean(records.slice(0, tenth).flatMap(({ reward }) => reward ?? []));
  const last = records.slice(-tenth);
  const lastReward = mean(last.flatMap(({ reward }) => reward ?? []));
  const lastKl = mean(last.flatMap(({ kl }) => kl ?? []));
  return {
    ...(firstReward === undefined ? {} : { firstReward }),
    ...(lastReward === undefined ? {} : { lastReward }),
    ...(lastKl === undefined ? {} : { lastKl }),
  };
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
