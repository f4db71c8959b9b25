/**
 * Metrics of one update's rewards and samples, under TRL's names and definitions. Pure.
 *
 *   reward                  mean over judged samples
 *   reward_std              mean over states of the sample standard deviation of the state's judged rewards (n - 1);
 *                           with a single sample per state, the deviation over the batch
 *   frac_reward_zero_std    share of those states whose deviation is 0: a group baseline gives them no gradient
 *   completions/…           lengths in tokens of the sampled actions; clipped_ratio: share truncated by the token limit
 *
 * A figure that does not exist (no judged sample, one sample per state) is left out, never a NaN.
 */
import type { Rewards } from "./advantages.js";

/** Rewards of one update; a figure that does not exist is absent. */
export interface RewardMetrics {
  /** Mean over judged actions. */
  reward?: number;
  /** Mean over states of the standard deviation of their rewards. */
  reward_std?: number;
  /** Share of states whose actions all got the same reward. */
  frac_reward_zero_std?: number;
}

/** Lengths of one update's sampled actions, in tokens. */
export interface CompletionMetrics {
  /** Mean. */
  "completions/mean_length": number;
  /** Shortest. */
  "completions/min_length": number;
  /** Longest. */
  "completions/max_length": number;
  /** Share truncated by maxNewTokens. */
  "completions/clipped_ratio": number;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

export function rewardMetrics(rewards: Rewards): RewardMetrics {
  const states = rewards.map((row) => row.filter((reward) => reward !== undefined));
  const all = states.flat();
  if (all.length === 0) return {};
  const deviations = states.filter((row) => row.length >= 2).map(deviation);
  if (deviations.length === 0)
    return { reward: mean(all), ...(all.length >= 2 ? { reward_std: deviation(all) } : {}) };
  return {
    reward: mean(all),
    reward_std: mean(deviations),
    frac_reward_zero_std: deviations.filter((value) => value < 1e-8).length / deviations.length,
  };
}

/** `rewards/NAME/mean` and `/std` over the actions that have the reward, as TRL logs them. */
export function partMetrics(parts: ReadonlyMap<string, Rewards>): Record<`rewards/${string}`, number> {
  return Object.fromEntries(
    [...parts].flatMap(([name, rewards]) => {
      const known = rewards.flat().filter((reward) => reward !== undefined);
      return [
        ...(known.length > 0 ? [[`rewards/${name}/mean`, mean(known)]] : []),
        ...(known.length > 1 ? [[`rewards/${name}/std`, deviation(known)]] : []),
      ];
    }),
  );
}

export function completionMetrics(
  actions: readonly { length: number; clipped: boolean }[],
): CompletionMetrics {
  const lengths = actions.map((action) => action.length);
  return {
    "completions/mean_length": mean(lengths),
    "completions/min_length": Math.min(...lengths),
    "completions/max_length": Math.max(...lengths),
    "completions/clipped_ratio": actions.filter((action) => action.clipped).length / actions.length,
  };
}
