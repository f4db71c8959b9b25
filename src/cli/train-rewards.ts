/** The reward of `train`: the reward judge alone, or the weighted parts that config train.rewards names. */

import type { Judge } from "../judge/judge.js";
import type { Task } from "../synthesize/task.js";
import { outcomeReward } from "../train/reward.js";
import type { TrainOptions } from "../train/train-options.js";
import type { Config } from "./config-schema.js";
import { defined } from "./defined.js";

type Rewards = Pick<TrainOptions, "judge" | "reward" | "rewards">;

/** Whether a reward compares answers, which needs the task. */
export function rewardsOutcome({ train }: Config): boolean {
  return train.rewards?.some(({ kind }) => kind === "outcome") ?? false;
}

/** `task`: required when rewardsOutcome is true. */
export function trainRewards({ train, rollout }: Config, judge: Judge, task?: Task): Rewards {
  if (!train.rewards) return { judge };
  const { maxNewTokens: _, ...rolled } = rollout;
  const outcome = () =>
    train.actions === "logged"
      ? { outcome: task!.matcher }
      : { reward: outcomeReward({ task: task!, rollout: defined(rolled) }) };
  return {
    rewards: train.rewards.map(({ kind, ...part }) => ({
      ...defined(part),
      ...(kind === "judge" ? { judge } : outcome()),
    })),
  };
}
