/**
 * Scales of advantages, next to their equations. Pure.
 *
 *   group    A / (σ + 1e-4), σ: the deviation of the state's rewards        GRPO; TRL: scale_rewards "group"
 *   batch    A / (σ + 1e-4), σ: the deviation of all rewards of the batch   TRL: scale_rewards "batch"
 *   none     A                                                              Dr. GRPO; TRL: scale_rewards "none"
 *
 * σ is the sample deviation (n - 1). A state with one judged action has none, and its advantage is 0.
 */
import type { Rewards } from "./advantages.js";

export const REWARD_SCALES = ["none", "group", "batch"] as const;
export type RewardScale = (typeof REWARD_SCALES)[number];

/** Prevents huge advantages in a group whose rewards hardly differ; TRL's value. */
const SMALLEST_DEVIATION = 1e-4;

export function scaleAdvantages(
  table: readonly (readonly (number | undefined)[])[],
  rewards: Rewards,
  scale: RewardScale,
): (number | undefined)[][] {
  if (scale === "none") return table.map((row) => [...row]);
  const all = scale === "batch" ? deviation(rewards.flat()) : 0;
  return table.map((row, i) => {
    const sigma = scale === "batch" ? all : deviation(rewards[i]!);
    return row.map((A) => (A === undefined ? undefined : A / (sigma + SMALLEST_DEVIATION)));
  });
}

/**
 * REINFORCE++: (A - μ) / √(σ² + 1e-8), where μ and σ² are the mean and the sample variance over the tokens of the
 * batch, so that an action weighs as much as it has tokens. verl: compute_reinforce_plus_plus_outcome_advantage with
 * gamma 1, masked_whiten.
 */
export function whiten(
  table: readonly (readonly (number | undefined)[])[],
  lengths: readonly (readonly number[])[],
): (number | undefined)[][] {
  let tokens = 0;
  let sum = 0;
  const each = (visit: (A: number, length: number) => void) => {
    for (const [i, row] of table.entries())
      for (const [j, A] of row.entries()) if (A !== undefined) visit(A, lengths[i]![j]!);
  };
  each((A, length) => {
    tokens += length;
    sum += length * A;
  });
  const mean = sum / tokens;
  let squares = 0;
  each((A, length) => {
    squares += length * (A - mean) ** 2;
  });
  const scale = 1 / Math.sqrt((tokens > 1 ? squares / (tokens - 1) : 0) + 1e-8);
  return table.map((row) => row.map((A) => (A === undefined ? undefined : (A - mean) * scale)));
}

/** Sample deviation of the known values; 0 for fewer than two. */
function deviation(values: readonly (number | undefined)[]): number {
  const known = values.filter((value) => value !== undefined);
  if (known.length < 2) return 0;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (known.length - 1));
}
