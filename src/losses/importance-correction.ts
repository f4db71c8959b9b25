/**
 * Importance corrections: if another engine sampled the actions, its policy μ differs from π_old, the policy of the
 * weights at that time. The loss is weighted by ρ = π_old / μ, which has no gradient.
 *
 *   token_truncate      w_t = clip(ρ_t, clipMin, clipMax)           TIS (Yao et al. 2025)
 *   token_mask          w_t = ρ_t within [clipMin, clipMax], else 0   MIS; with clipMin: IcePop
 *   sequence_truncate   w = clip(ρ, clipMin, clipMax), ρ = Πₜ ρ_t
 *   sequence_mask       w = ρ within [clipMin, clipMax], else 0
 *
 * TRL: vllm_importance_sampling_mode, _cap; verl: algorithm.rollout_correction. With a policy of this package μ is
 * π_old to the bit and a correction would do nothing.
 */

import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { parseOptions } from "../options/parse-options.js";
import type { LossFunction, LossSequence } from "./loss-function.js";
import { requireLogprobs } from "./token-terms.js";

export const CORRECTIONS = ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] as const;

export const correctionOptions = z
  .strictObject({
    mode: z.enum(CORRECTIONS).default("sequence_mask"),
    /** Upper bound C. TRL's default; verl's is 2. */
    clipMax: z.number().positive().default(3),
    /** Lower bound; IcePop uses 0.5 with clipMax 5. */
    clipMin: z.number().min(0).default(0),
  })
  .refine(({ clipMin, clipMax }) => clipMin < clipMax, { path: ["clipMin"], error: "must be below clipMax" });

/** Options of an importance correction. */
export interface CorrectionOptions {
  /** What is weighted and how; the equations are at the top of this file. @default "sequence_mask" */
  mode?: (typeof CORRECTIONS)[number] | undefined;
  /** Upper bound C of the ratio, above 0. TRL's default; verl's is 2. @default 3 */
  clipMax?: number | undefined;
  /** Lower bound of the ratio, below clipMax. IcePop uses 0.5 with clipMax 5. @default 0 */
  clipMin?: number | undefined;
}

/**
 * `loss` with its advantages times w: the same as the loss times w, for every loss that is proportional to the
 * advantage, as all of this folder are. KL and entropy terms are not weighted, as in TRL.
 */
export function withCorrection(loss: LossFunction, options: CorrectionOptions = {}): LossFunction {
  return ofArguments("withCorrection", "(loss, options)", () => {
    const correction = parseOptions(correctionOptions, options, "correction");
    return (sequence) => {
      const weights = correctionWeights(sequence, correction);
      return loss({ ...sequence, advantage: sequence.advantage.map((A, t) => A * weights[t]!) });
    };
  });
}

/** w of each scored token. */
export function correctionWeights(
  sequence: LossSequence,
  { mode, clipMin, clipMax }: z.output<typeof correctionOptions>,
): Float64Array {
  const old = requireLogprobs(sequence, "behaviorLogprobs", mode);
  const sampler = requireLogprobs(sequence, "samplerLogprobs", mode);
  const { weights } = sequence;
  const log = Float64Array.from(weights, (weight, t) => (weight === 0 ? 0 : old[t]! - sampler[t]!));
  if (mode.startsWith("sequence")) log.fill(log.reduce((sum, x) => sum + x, 0));
  const truncate = mode.endsWith("truncate");
  return log.map((x) => {
    const ratio = Math.exp(x);
    if (truncate) return Math.min(Math.max(ratio, clipMin), clipMax);
    return ratio >= clipMin && ratio <= clipMax ? ratio : 0;
  });
}
