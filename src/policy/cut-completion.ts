/**
 * A server's completion as the engine would have ended it: at the first token that ends a turn, or that completes a stop
 * string. Servers differ in what they do at the end (some sample on, some leave the token out), so the tokens decide; where
 * they do not show why a completion ended, it is not whole.
 */
import type { NativeCompletion } from "../native/addon.js";

export interface SampledTokens {
  tokens: Int32Array;
  logprobs: Float32Array;
}

export interface CutOptions {
  stopTokens: Int32Array;
  stopStrings: readonly string[];
  /** The text of the first n tokens. */
  decode(tokens: Int32Array): string;
}

/** Undefined where no token ended it: at the limit, or for a reason that does not show. */
export function cutCompletion(
  { tokens, logprobs }: SampledTokens,
  { stopTokens, stopStrings, decode }: CutOptions,
): NativeCompletion | undefined {
  const eos = tokens.findIndex((token) => stopTokens.includes(token));
  const within = eos < 0 ? tokens.length : eos;
  const stop =
    stopStrings.length === 0 ? undefined : firstStop(tokens.subarray(0, within), stopStrings, decode);
  const length = stop ?? (eos < 0 ? undefined : eos + 1);
  if (length === undefined) return undefined;
  return {
    tokens: tokens.slice(0, length),
    logprobs: logprobs.slice(0, length),
    finishReason: stop === undefined ? "eos" : "stop",
  };
}

/** How many tokens it takes until the text holds a stop string. */
function firstStop(
  tokens: Int32Array,
  stops: readonly string[],
  decode: (tokens: Int32Array) => string,
): number | undefined {
  const holds = (length: number) => {
    const text = decode(tokens.subarray(0, length));
    return stops.some((stop) => text.includes(stop));
  };
  if (!holds(tokens.length)) return undefined;
  let [low, high] = [1, tokens.length]; // a text that holds a stop string still holds it with more tokens
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
