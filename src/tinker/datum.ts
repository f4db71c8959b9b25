/**
 * Sequences as the server takes them. A model pass of tokens[0 … T-2] predicts tokens[1 … T-1]: every tensor has T - 1
 * elements, and element t belongs to token t + 1. The scored tokens, from `actionStart` on, are the elements from
 * `actionStart` - 1 on; everything before them is 0.
 */
import type { Datum, ModelInput, Tensor } from "./messages.js";

export interface ScoredTokens {
  /** [T] */
  tokens: Int32Array;
  /** Index of the first scored token, 1 … T - 1. */
  actionStart: number;
}

/** For `forward`: the log-probs of the scored tokens. The weights are those of cross_entropy, whose loss is not read. */
export function scoringDatum(sequence: ScoredTokens): Datum {
  const ones = new Float64Array(sequence.tokens.length - sequence.actionStart).fill(1);
  return datum(sequence, { weights: ones });
}

/**
 * For `forward_backward` with importance_sampling, whose loss is -Σ exp(log π - logprobs)·advantages: where `logprobs` are
 * those of the present weights the ratio is 1, and the gradient by log π is -advantages.
 */
export function gradientDatum(
  sequence: ScoredTokens,
  logprobs: ArrayLike<number>,
  advantages: ArrayLike<number>,
): Datum {
  return datum(sequence, { logprobs, advantages });
}

/** For `forward_backward` with cross_entropy, whose loss is -Σ weights·log π. */
export function weightedDatum(sequence: ScoredTokens, weights: ArrayLike<number>): Datum {
  return datum(sequence, { weights });
}

function datum({ tokens, actionStart }: ScoredTokens, parts: Record<string, ArrayLike<number>>): Datum {
  const length = tokens.length - 1;
  const inputs: Record<string, Tensor> = {
    target_tokens: { data: Array.from(tokens.subarray(1)), dtype: "int64", shape: [length] },
  };
  for (const [name, values] of Object.entries(parts)) {
    const data = new Array<number>(length).fill(0);
    for (let i = 0; i < values.length; i++) data[actionStart - 1 + i] = values[i]!;
    inputs[name] = { data, dtype: "float32", shape: [length] };
  }
  return { model_input: modelInput(tokens.subarray(0, -1)), loss_fn_inputs: inputs };
}

export function modelInput(tokens: Int32Array): ModelInput {
  return { chunks: [{ type: "encoded_text", tokens: Array.from(tokens) }] };
}

/** Limits of the official client; servers refuse larger requests. */
const MOST_DATUMS = 1024;
const MOST_ELEMENTS = 500_000;

/** Splits a batch into requests, in order. */
export function requestsOf(data: readonly Datum[]): Datum[][] {
  const requests: Datum[][] = [];
  let current: Datum[] = [];
  let elements = 0;
  for (const one of data) {
    const tensors = 1 + Object.keys(one.loss_fn_inputs).length;
    const size = tensors * one.loss_fn_inputs.target_tokens!.data.length;
    if (current.length > 0 && (current.length === MOST_DATUMS || elements + size > MOST_ELEMENTS)) {
      requests.push(current);
      current = [];
      elements = 0;
    }
    current.push(one);
    elements += size;
  }
  if (current.length > 0) requests.push(current);
  return requests;
}
