/**
 * Advantages: how much better than expected an action was. Pure functions, next to their equations.
 *
 *   A = r - b        r: the reward of one action, b: the baseline
 *
 *   none            b = 0                                        plain REINFORCE, the paper's own objective
 *   running         b = decayed mean of the rewards of earlier batches (never of this one, which would bias it)
 *   group           b = mean of the G rewards of the state       GRPO without its division by the deviation
 *   leave-one-out   b = mean of the other G - 1 rewards          RLOO (Ahmadian et al. 2024); = group · G / (G - 1)
 *   reinforce++     b = 0, then whitened over the batch          REINFORCE++ (arXiv 2501.03262); see whiten
 *   reinforce++_baseline   b = mean of the G rewards, then whitened over the batch
 *
 * A reward of `undefined` is a judgment that failed: it has no advantage and is in no mean.
 */

export const BASELINES = [
  "none",
  "running",
  "group",
  "leave-one-out",
  "reinforce++",
  "reinforce++_baseline",
] as const;
export type Baseline = (typeof BASELINES)[number];

/** One number per action, `undefined` where the judgment failed. Rows are the states of a batch. */
export type Rewards = readonly (readonly (number | undefined)[])[];

/** The decayed mean of past rewards; part of a checkpoint. */
export interface RunningBaseline {
  /** Decayed mean before bias correction. */
  mean: number;
  /** Decayed share of the weight that real rewards have, 0 before the first. */
  weight: number;
}

export const EMPTY_RUNNING_BASELINE: RunningBaseline = { mean: 0, weight: 0 };

/** These compare the actions of one state with each other and need two of them. */
export function comparesActions(baseline: Baseline): boolean {
  return baseline === "group" || baseline === "leave-one-out" || baseline === "reinforce++_baseline";
}

/** These divide by the deviation over the batch themselves. */
export function whitens(baseline: Baseline): boolean {
  return baseline === "reinforce++" || baseline === "reinforce++_baseline";
}

function judged(row: readonly (number | undefined)[]): number[] {
  return row.filter((reward): reward is number => reward !== undefined);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Advantages [states][actions]; `undefined` where the action has none: its judgment failed, or the baseline needs a
 * second judged action and there is no other.
 */
export function advantages(
  rewards: Rewards,
  baseline: Baseline,
  running: RunningBaseline = EMPTY_RUNNING_BASELINE,
): (number | undefined)[][] {
  return rewards.map((row) => {
    const known = judged(row);
    if (baseline === "none" || baseline === "reinforce++") return [...row];
    if (baseline === "running") {
      const b = running.weight === 0 ? 0 : running.mean / running.weight;
      return row.map((reward) => (reward === undefined ? undefined : reward - b));
    }
    if (known.length < 2) return row.map(() => undefined);
    const mean = meanOf(known);
    const factor = baseline === "leave-one-out" ? known.length / (known.length - 1) : 1;
    return row.map((reward) => (reward === undefined ? undefined : (reward - mean) * factor));
  });
}

/** The running baseline after a batch: m' = decay · m + (1 - decay) · mean(batch), bias-corrected when it is read. */
export function updateRunningBaseline(
  running: RunningBaseline,
  rewards: Rewards,
  decay: number,
): RunningBaseline {
  const known = rewards.flatMap(judged);
  if (known.length === 0) return running;
  return {
    mean: decay * running.mean + (1 - decay) * meanOf(known),
    weight: decay * running.weight + (1 - decay),
  };
}
