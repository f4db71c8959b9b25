/**
 * PPO-clip, token by token:  ℓ = -min(r·A, clip(r, 1 - low, 1 + high)·A),  r = π / π_old
 *
 * GRPO (arXiv 2402.03300), Dr. GRPO (arXiv 2503.20783) and DAPO (arXiv 2503.14476) are this loss with other
 * aggregations and advantages. TRL: loss_type "grpo", "dr_grpo", "dapo"; verl: loss_mode "vanilla".
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { clippedSurrogate, clipShape, dualClipAbove, dualClipProblem } from "./clipped-surrogate.js";
import type { LossFunction } from "./loss-function.js";
import { requireLogprobs, sumOverTokens } from "./token-terms.js";

/** TRL: epsilon, epsilon_high, delta. verl: clip_ratio_low, clip_ratio_high, clip_ratio_c. */
export const ppoClipOptions = z
  .strictObject({
    ...clipShape,
    clipLow: clipShape.clipLow.default(0.2),
    clipHigh: clipShape.clipHigh.default(0.2),
  })
  .refine(dualClipAbove, dualClipProblem);

/** PPO's clipped surrogate, token by token, with dual clip as an option. Needs behaviorLogprobs. */
export function ppoClip(options: z.input<typeof ppoClipOptions> = {}): LossFunction {
  const clip = parseOptions(ppoClipOptions, options, "ppoClip");
  return (sequence) => {
    const old = requireLogprobs(sequence, "behaviorLogprobs", "ppo-clip");
    const { logprobs, advantage } = sequence;
    return sumOverTokens(sequence, (t) =>
      clippedSurrogate(Math.exp(logprobs[t]! - old[t]!), advantage[t]!, clip),
    );
  };
}
