/** A loss function applied to a batch: called once per sequence, its result checked before the engine sees it. */
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { LossFunction, LossSequence } from "../losses/loss-function.js";
import type { CheckedSequence } from "./sequences.js";

/** `logprobs`: those of each sequence under the current weights. Throws INPUT, naming the sequence and the element. */
export function applyLoss(
  loss: LossFunction,
  batch: readonly CheckedSequence[],
  logprobs: readonly Float32Array[],
): { value: number; derivative: Float64Array }[] {
  return batch.map((sequence, i) => {
    const view = lossSequence(sequence, logprobs[i]!);
    return checked(call(loss, view, i), view, i);
  });
}

function lossSequence(sequence: CheckedSequence, logprobs: Float32Array): LossSequence {
  const { advantage, weights, behaviorLogprobs, referenceLogprobs, samplerLogprobs } = sequence;
  const scored = logprobs.length;
  return {
    logprobs: logprobs.slice(),
    advantage: typeof advantage === "number" ? new Float32Array(scored).fill(advantage) : advantage.slice(),
    weights: weights?.slice() ?? new Float32Array(scored).fill(1),
    ...(behaviorLogprobs ? { behaviorLogprobs: behaviorLogprobs.slice() } : {}),
    ...(referenceLogprobs ? { referenceLogprobs: referenceLogprobs.slice() } : {}),
    ...(samplerLogprobs ? { samplerLogprobs: samplerLogprobs.slice() } : {}),
  };
}

function call(loss: LossFunction, sequence: LossSequence, i: number): unknown {
  try {
    return loss(sequence);
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    const why = messageOf(cause);
    throw new SwirlError("INPUT", `the loss function threw for batch[${i}]: ${why}`, {
      remedy: "fix the function; gradients and weights are unchanged",
      details: { field: `batch[${i}]` },
      cause,
    });
  }
}

function checked(result: unknown, { weights }: LossSequence, i: number) {
  const shape = `{ value: number, derivative: Float64Array of ${weights.length} }`;
  const { value, derivative } = (typeof result === "object" && result !== null ? result : {}) as {
    value?: unknown;
    derivative?: unknown;
  };
  if (result instanceof Promise) throw refusal(i, "", "a promise", `${shape}, at once`);
  if (typeof result !== "object" || result === null) throw refusal(i, "", String(result), shape);
  if (typeof value !== "number" || !Number.isFinite(value))
    throw refusal(i, ".value", shown(value), "a finite number");
  if (!(derivative instanceof Float64Array || derivative instanceof Float32Array))
    throw refusal(i, ".derivative", shown(derivative), "a Float32Array or Float64Array");
  if (derivative.length !== weights.length)
    throw refusal(
      i,
      ".derivative",
      `an array of ${derivative.length}`,
      `one of ${weights.length}, an element per scored token`,
    );
  for (const [t, x] of derivative.entries()) {
    if (!Number.isFinite(x)) throw refusal(i, `.derivative[${t}]`, String(x), "finite");
    if (x !== 0 && weights[t] === 0)
      throw refusal(
        i,
        `.derivative[${t}]`,
        String(x),
        "0, because the token's weight is 0: multiply by weights",
      );
  }
  return { value, derivative: Float64Array.from(derivative) };
}

function shown(value: unknown): string {
  return value === undefined ? "missing" : typeof value === "object" ? "an object" : String(value);
}

function refusal(i: number, part: string, found: string, expected: string): SwirlError {
  const field = `loss(batch[${i}])${part}`;
  return new SwirlError("INPUT", `${field} is ${found}; it must be ${expected}`, {
    remedy: "fix the loss function; gradients and weights are unchanged",
    details: { field },
  });
}
