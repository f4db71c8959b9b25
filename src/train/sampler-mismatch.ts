/**
 * How far the policy is from the sampler of logged actions, which may be another engine or older weights. Names of the first
 * five are TRL's. Pure.
 *
 *   sampling/sampling_logp_difference/…    |log π_old - log μ| over tokens
 *   sampling/importance_sampling_ratio/…   π_old / μ over tokens; over actions in the modes of whole sequences
 *   sampling/corrected_away                share of tokens that the correction gives weight 0
 */
import { type CorrectionOptions, correctionWeights } from "../losses/importance-correction.js";

/** Of one update's logged actions, where `correction` is given. */
export interface SamplerMismatch {
  /** Mean absolute difference of log-probs, in nats. */
  "sampling/sampling_logp_difference/mean": number;
  /** Largest difference. */
  "sampling/sampling_logp_difference/max": number;
  /** Smallest ratio of the policy's probability to the sampler's. */
  "sampling/importance_sampling_ratio/min": number;
  /** Mean ratio. */
  "sampling/importance_sampling_ratio/mean": number;
  /** Largest ratio. */
  "sampling/importance_sampling_ratio/max": number;
  /** Share of tokens that the correction gives weight 0. */
  "sampling/corrected_away": number;
}

export interface Scored {
  /** Log-probs under the policy as it is before the update. */
  current: Float32Array;
  /** Log-probs that the sampler recorded. */
  sampler: Float32Array;
}

/** Undefined for no actions. */
export function samplerMismatch(
  actions: readonly Scored[],
  correction: Required<{ [K in keyof CorrectionOptions]: NonNullable<CorrectionOptions[K]> }>,
): SamplerMismatch | undefined {
  if (actions.length === 0) return undefined;
  const sequences = correction.mode.startsWith("sequence");
  let [tokens, sum, max, away] = [0, 0, 0, 0];
  const ratios: number[] = [];
  for (const { current, sampler } of actions) {
    let log = 0;
    for (const [t, logprob] of current.entries()) {
      const difference = logprob - sampler[t]!;
      sum += Math.abs(difference);
      max = Math.max(max, Math.abs(difference));
      log += difference;
      if (!sequences) ratios.push(Math.exp(difference));
    }
    if (sequences) ratios.push(Math.exp(log));
    tokens += current.length;
    const weights = correctionWeights(
      {
        advantage: new Float32Array(current.length),
        logprobs: current,
        weights: new Float32Array(current.length).fill(1),
        behaviorLogprobs: current,
        samplerLogprobs: sampler,
      },
      correction,
    );
    away += weights.filter((weight) => weight === 0).length;
  }
  return {
    "sampling/sampling_logp_difference/mean": sum / tokens,
    "sampling/sampling_logp_difference/max": max,
    "sampling/importance_sampling_ratio/min": least(ratios),
    "sampling/importance_sampling_ratio/mean": ratios.reduce((a, b) => a + b, 0) / ratios.length,
    "sampling/importance_sampling_ratio/max": -least(ratios.map((ratio) => -ratio)),
    "sampling/corrected_away": away / tokens,
  };
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}
