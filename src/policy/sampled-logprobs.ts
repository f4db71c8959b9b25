/**
 * Tells which of a batch's behavior log-probs are those of the current weights.
 *
 * The engine scores a sampled action with the same bits, so the log-probs that `generate` and `act` return equal those
 * of a forward pass until the weights change. Every returned array is remembered with its sequence, weights and
 * temperature; an array made elsewhere, or changed since, is not recognized and costs a forward pass.
 */
import type { NativeCompletion } from "../native/addon.js";
import type { CheckedSequence } from "./sequences.js";

interface Sampled {
  version: number;
  temperature: number;
  prompt: Int32Array;
  tokens: Int32Array;
  logprobs: Float32Array; // a copy: the caller has the other
}

export class SampledLogprobs {
  readonly #known = new WeakMap<object, Sampled>();

  /** `version` counts changes of the weights; `temperature` is that of the softmax. */
  remember(completion: NativeCompletion, prompt: Int32Array, version: number, temperature: number): void {
    const { tokens, logprobs } = completion;
    this.#known.set(logprobs, { version, temperature, prompt, tokens, logprobs: logprobs.slice() });
  }

  /** The sequence's behavior log-probs if they are those of the weights `version`, else undefined. */
  current(sequence: CheckedSequence, version: number, temperature: number): Float32Array | undefined {
    const { behaviorSource, behaviorLogprobs } = sequence;
    if (typeof behaviorSource !== "object" || behaviorLogprobs === undefined) return undefined;
    const known = this.#known.get(behaviorSource);
    const current =
      known !== undefined &&
      known.version === version &&
      known.temperature === temperature &&
      same(sequence.tokens.subarray(0, sequence.actionStart), known.prompt) &&
      same(sequence.tokens.subarray(sequence.actionStart), known.tokens) &&
      same(behaviorLogprobs, known.logprobs);
    return current ? behaviorLogprobs : undefined;
  }
}

function same(a: Int32Array | Float32Array, b: Int32Array | Float32Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
