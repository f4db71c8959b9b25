/**
 * SAPO (arXiv 2511.20347): a sigmoid gate instead of a clip, so that the gradient fades as the ratio moves away from 1.
 *
 *   ℓ = -A·σ(τ(r - 1))·4/τ,   r = π / π_old,   τ = tauPositive where A > 0, else tauNegative
 *
 * At r = 1 the derivative by log π is -A, as in REINFORCE. TRL: loss_type "sapo"; verl: loss_mode "sapo".
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import type { LossFunction } from "./loss-function.js";
import { requireLogprobs, sumOverTokens } from "./token-terms.js";

export const sapoOptions = z.strictObject({
  /** TRL: sapo_temperature_pos; verl: tau_pos. */
  tauPositive: z.number().positive().default(1),
  /** TRL: sapo_temperature_neg; verl: tau_neg. Larger, because a falling probability raises those of many tokens. */
  tauNegative: z.number().positive().default(1.05),
});

/** SAPO: a sigmoid of the ratio in place of a clip. Needs behaviorLogprobs. */
export function sapo(options: z.input<typeof sapoOptions> = {}): LossFunction {
  const { tauPositive, tauNegative } = parseOptions(sapoOptions, options, "sapo");
  return (sequence) => {
    const old = requireLogprobs(sequence, "behaviorLogprobs", "sapo");
    const { logprobs, advantage } = sequence;
    return sumOverTokens(sequence, (t) => {
      const A = advantage[t]!;
      const tau = A > 0 ? tauPositive : tauNegative;
      const ratio = Math.exp(logprobs[t]! - old[t]!);
      const gate = 1 / (1 + Math.exp(-tau * (ratio - 1)));
      // σ' = σ(1 - σ); where the ratio overflows the gate is flat.
      const slope = gate === 1 ? 0 : 4 * gate * (1 - gate) * ratio;
      return { value: (-A * gate * 4) / tau, derivative: -A * slope };
    });
  };
}
