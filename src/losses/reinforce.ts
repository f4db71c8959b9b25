/**
 * REINFORCE (Williams 1992):  ℓ = -A·log π
 *
 * The engine computes it itself under the name "reinforce"; this is the same loss as a function, for a correction or a
 * loss of one's own to build on.
 */
import type { LossFunction } from "./loss-function.js";
import { sumOverTokens } from "./token-terms.js";

/** REINFORCE: -A · log π of each token. */
export function reinforce(): LossFunction {
  return (sequence) => {
    const { logprobs, advantage } = sequence;
    return sumOverTokens(sequence, (t) => ({
      value: -advantage[t]! * logprobs[t]!,
      derivative: -advantage[t]!,
    }));
  };
}
