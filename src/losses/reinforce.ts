/**
 * REINFORCE (Williams 1992):  ℓ = -A·log π
 *
 * The engine computes it itself under the name "reinforce"; this is the same loss as a function, to build a correction
 * or your own loss on.
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
