/**
 * DPPO (arXiv 2602.04879): a token is left out where its probability has moved too far in the direction that the
 * advantage pushes it; the others are weighted by a ratio that is capped and has no gradient.
 *
 *   ℓ = -m·sg(min(r, cap))·A·log π,   p = π, q = π_old of the sampled token
 *   tv   m = 0 where A > 0 and p - q > divergenceHigh, or A ≤ 0 and q - p > divergenceLow
 *   kl   m = 0 where D > divergenceHigh and A > 0 and p > q, or D > divergenceLow and A ≤ 0 and p < q,
 *        D = q·log(q/p) + (1 - q)·log((1 - q)/(1 - p)), the KL divergence of "this token or another"
 *
 * verl: loss_mode "dppo_tv" and "dppo_kl", which read clip_ratio_low, clip_ratio_high and clip_ratio_c.
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import type { LossFunction } from "./loss-function.js";
import { requireLogprobs, sumOverTokens } from "./token-terms.js";

export const dppoOptions = z.strictObject({
  /** Largest decrease for a negative advantage: of the probability (tv), or in nats (kl). */
  divergenceLow: z.number().positive().default(0.2),
  /** Largest increase for a positive advantage. */
  divergenceHigh: z.number().positive().default(0.2),
  /** Upper bound of the ratio that weights a token. */
  ratioCap: z.number().positive().default(20),
});

type DppoOptions = z.input<typeof dppoOptions>;

/**
 * DPPO with a mask by total variation: a token whose probability moved too far in the advantage's direction is left
 * out.
 */
export const dppoTv = (options: DppoOptions = {}): LossFunction =>
  dppo("dppo_tv", options, (p, q) => Math.abs(p - q));

/** DPPO with a mask by KL divergence: a token whose log-prob moved too far in the advantage's direction is left out. */
export const dppoKl = (options: DppoOptions = {}): LossFunction => dppo("dppo_kl", options, binaryKl);

function dppo(
  name: string,
  options: DppoOptions,
  divergence: (p: number, q: number) => number,
): LossFunction {
  const { divergenceLow, divergenceHigh, ratioCap } = parseOptions(dppoOptions, options, name);
  return (sequence) => {
    const old = requireLogprobs(sequence, "behaviorLogprobs", name);
    const { logprobs, advantage } = sequence;
    return sumOverTokens(sequence, (t) => {
      const [A, p, q] = [advantage[t]!, Math.exp(logprobs[t]!), Math.exp(old[t]!)];
      const along = A > 0 ? p > q : p < q;
      const limit = A > 0 ? divergenceHigh : divergenceLow;
      if (along && divergence(p, q) > limit) return { value: 0, derivative: 0 };
      const factor = -A * Math.min(Math.exp(logprobs[t]! - old[t]!), ratioCap);
      return { value: factor * logprobs[t]!, derivative: factor };
    });
  };
}

/** verl's guard against a probability of 1, where log(1 - p) does not exist. */
const LEFT = 1e-8;

function binaryKl(p: number, q: number): number {
  return q * Math.log(q / p) + (1 - q) * Math.log((1 - q + LEFT) / (1 - p + LEFT));
}
