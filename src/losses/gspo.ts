/**
 * GSPO (arXiv 2507.18071): one ratio for the whole sequence, the geometric mean of its tokens' ratios.
 *
 *   ℓ = -min(s·A, clip(s, 1 - low, 1 + high)·A),   s = exp(Σ w·log r / Σ w)
 *
 * TRL: importance_sampling_level "sequence". Its gradient by log π of token t is s·w_t/T times that of the sum.
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { clippedSurrogate, clipShape, dualClipAbove, dualClipProblem } from "./clipped-surrogate.js";
import type { LossFunction, LossSequence } from "./loss-function.js";
import { requireLogprobs } from "./token-terms.js";

/** The paper's clip range: a mean of many tokens moves much less than one token. */
export const gspoOptions = z
  .strictObject({
    ...clipShape,
    clipLow: clipShape.clipLow.default(3e-4),
    clipHigh: clipShape.clipHigh.default(4e-4),
  })
  .refine(dualClipAbove, dualClipProblem);

export type GspoOptions = z.input<typeof gspoOptions>;

/** GSPO: the ratio of the whole sequence is clipped. Needs behaviorLogprobs. */
export function gspo(options: GspoOptions = {}): LossFunction {
  const clip = parseOptions(gspoOptions, options, "gspo");
  return (sequence) => {
    const { advantage, weights } = sequence;
    const { ratio, total } = sequenceRatio(sequence, "gspo");
    const derivative = new Float64Array(weights.length);
    if (total === 0) return { value: 0, derivative };
    let value = 0;
    let slope = 0; // d value / d log s
    for (let t = 0; t < weights.length; t++) {
      const of = clippedSurrogate(ratio, advantage[t]!, clip);
      value += weights[t]! * of.value;
      slope += weights[t]! * of.derivative;
    }
    for (let t = 0; t < weights.length; t++) derivative[t] = (weights[t]! / total) * slope;
    return { value, derivative };
  };
}

/** s, and the sum of the weights; s is 1 where every token is masked. */
export function sequenceRatio(sequence: LossSequence, loss: string): { ratio: number; total: number } {
  const old = requireLogprobs(sequence, "behaviorLogprobs", loss);
  const { logprobs, weights } = sequence;
  let sum = 0;
  let total = 0;
  for (let t = 0; t < weights.length; t++) {
    if (weights[t] === 0) continue;
    sum += weights[t]! * (logprobs[t]! - old[t]!);
    total += weights[t]!;
  }
  return { ratio: total === 0 ? 1 : Math.exp(sum / total), total };
}
