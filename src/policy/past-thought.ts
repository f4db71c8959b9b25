/**
 * A stop string inside a thought does not end the action: sampling continues from the exact tokens where it stopped.
 */
import type { NativeCompletion } from "../native/addon.js";
import { joinTokens } from "./join-tokens.js";

export interface PastThought {
  maxNewTokens: number;
  /** Whether a completion of these tokens ends inside a thought. */
  inThought(sampled: Int32Array): boolean;
  /** The completion that follows `sampled`, of at most `maxNewTokens`. */
  sample(sampled: Int32Array, maxNewTokens: number): Promise<NativeCompletion>;
}

export async function pastThought(
  first: NativeCompletion,
  { maxNewTokens, inThought, sample }: PastThought,
): Promise<NativeCompletion> {
  let whole = first;
  while (whole.finishReason === "stop" && inThought(whole.tokens)) {
    const left = maxNewTokens - whole.tokens.length;
    if (left < 1) return { ...whole, finishReason: "length" };
    const next = await sample(whole.tokens, left);
    whole = {
      ...next,
      tokens: joinTokens(whole.tokens, next.tokens),
      logprobs: Float32Array.from([...whole.logprobs, ...next.logprobs]),
    };
  }
  return whole;
}
