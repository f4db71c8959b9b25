/**
 * CISPO (MiniMax-M1, arXiv 2506.13585): REINFORCE, weighted by a ratio that is clipped and has no gradient. No token
 * loses its gradient.
 *
 *   ℓ = -sg(clip(r, floor, cap))·A·log π,   r = π / π_old
 *
 * TRL: loss_type "cispo", cap = epsilon_high, no floor. verl: loss_mode "cispo", floor = 1 - clip_ratio_low,
 * cap = 1 + clip_ratio_high.
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import type { LossFunction } from "./loss-function.js";
import { requireLogprobs, sumOverTokens } from "./token-terms.js";

export const cispoOptions = z
  .strictObject({
    /** Upper bound of the ratio. 5 is the advice of TRL and ScaleRL (arXiv 2510.13786). */
    ratioCap: z.number().positive().default(5),
    /** Lower bound of the ratio. */
    ratioFloor: z.number().min(0).default(0),
  })
  .refine(({ ratioCap, ratioFloor }) => ratioFloor < ratioCap, {
    path: ["ratioFloor"],
    error: "must be below ratioCap",
  });

/** CISPO: the clipped ratio weights log π and has no gradient. Needs behaviorLogprobs. */
export function cispo(options: z.input<typeof cispoOptions> = {}): LossFunction {
  const { ratioCap, ratioFloor } = parseOptions(cispoOptions, options, "cispo");
  return (sequence) => {
    const old = requireLogprobs(sequence, "behaviorLogprobs", "cispo");
    const { logprobs, advantage } = sequence;
    return sumOverTokens(sequence, (t) => {
      const ratio = Math.min(Math.max(Math.exp(logprobs[t]! - old[t]!), ratioFloor), ratioCap);
      const factor = -ratio * advantage[t]!;
      return { value: factor * logprobs[t]!, derivative: factor };
    });
  };
}
