/**
 * Credit of recorded steps, for training on logged actions. Pure. With K steps, i from 0, and a discount γ:
 *
 *   step           rᵢ                     the step's own reward
 *   return-to-go   Σ_{j ≥ i} γ^(j-i)·rⱼ   its own and those of all later steps
 *   equal          R                      the trajectory's outcome, the same for every step
 *   discounted     γ^(K-1-i)·R            the outcome, discounted more for earlier steps
 *
 * `undefined` is a judgment that failed. A return that contains one is undefined as well, not zero.
 */
export const STEP_CREDITS = ["step", "return-to-go"] as const;
export const OUTCOME_CREDITS = ["equal", "discounted"] as const;

/** Converts the rewards of one trajectory's steps, in order, to returns. */
export function returnsToGo(
  rewards: readonly (number | undefined)[],
  discount: number,
): (number | undefined)[] {
  const returns: (number | undefined)[] = [];
  let later: number | undefined = 0;
  for (let i = rewards.length - 1; i >= 0; i--) {
    const reward: number | undefined = rewards[i];
    later = reward === undefined || later === undefined ? undefined : reward + discount * later;
    returns[i] = later;
  }
  return returns;
}

/** The share of the outcome that step `step` of `steps` gets. */
export function outcomeCredit(
  outcome: number,
  step: number,
  steps: number,
  credit: (typeof OUTCOME_CREDITS)[number],
  discount: number,
): number {
  return credit === "equal" ? outcome : discount ** (steps - 1 - step) * outcome;
}
