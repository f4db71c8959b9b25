/**
 * GSPO-token (arXiv 2507.18071, section 4.3): the value of GSPO, and a gradient that each token can weight by its own
 * advantage. With sg the stop-gradient:
 *
 *   ℓ = -min(s_t·A, clip(s_t, 1 - low, 1 + high)·A),   log s_t = log π - sg(log π) + sg(log s)
 *
 * TRL: experimental gspo_token; verl: loss_mode "gspo".
 */
import { parseOptions } from "../options/parse-options.js";
import { clippedSurrogate } from "./clipped-surrogate.js";
import { type GspoOptions, gspoOptions, sequenceRatio } from "./gspo.js";
import type { LossFunction } from "./loss-function.js";
import { sumOverTokens } from "./token-terms.js";

/** GSPO-token: the sequence's clipped ratio with a gradient per token. Needs behaviorLogprobs. */
export function gspoToken(options: GspoOptions = {}): LossFunction {
  const clip = parseOptions(gspoOptions, options, "gspoToken");
  return (sequence) => {
    const { ratio } = sequenceRatio(sequence, "gspo_token");
    return sumOverTokens(sequence, (t) => clippedSurrogate(ratio, sequence.advantage[t]!, clip));
  };
}
