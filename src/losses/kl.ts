/**
 * Estimates of KL(π ‖ π_ref) from the sampled token alone (Schulman, "Approximating KL Divergence", 2020), with
 * d = log π - log π_ref:
 *
 *   k1    d                      unbiased, of high variance, can be negative
 *   k2    d²/2                   biased; its gradient is that of the KL divergence
 *   k3    exp(-d) - 1 + d        unbiased, at least 0
 *   k3+   the value of k3, the gradient of k2 (verl: kl_penalty "k3+")
 *
 * In the loss the engine computes them (`klWeight`, `klEstimator`). In the reward they are values without a gradient.
 */
import { ofArguments } from "../errors/arguments.js";

/** Estimators of the KL divergence from the sampled token. */
export type KlEstimator = "k1" | "k2" | "k3" | "k3+";
/** Their names, for schemas. */
export const KL_ESTIMATORS = ["k1", "k2", "k3", "k3+"] as const satisfies readonly KlEstimator[];

/** One token's estimate of the KL divergence. */
export interface KlEstimate {
  /** In nats. */
  value: number;
  /** By log π. */
  derivative: number;
}

/** The estimate for one token, and its derivative by log π. */
export function klEstimate(estimator: KlEstimator, logprob: number, reference: number): KlEstimate {
  return ofArguments("klEstimate", "(estimator, log-prob, reference log-prob)", () => {
    const d = logprob - reference;
    switch (estimator) {
      case "k1":
        return { value: d, derivative: 1 };
      case "k2":
        return { value: 0.5 * d * d, derivative: d };
      case "k3":
        return { value: Math.expm1(-d) + d, derivative: -Math.expm1(-d) };
      case "k3+":
        return { value: Math.expm1(-d) + d, derivative: d };
    }
  });
}

/** The sum over an action's tokens, which is subtracted from the action's reward. */
export function sequenceKl(
  estimator: KlEstimator,
  logprobs: ArrayLike<number>,
  reference: ArrayLike<number>,
): number {
  return ofArguments("sequenceKl", "(estimator, log-probs, reference log-probs)", () => {
    let sum = 0;
    for (let t = 0; t < logprobs.length; t++) sum += klEstimate(estimator, logprobs[t]!, reference[t]!).value;
    return sum;
  });
}
