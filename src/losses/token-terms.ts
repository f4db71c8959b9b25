/** Shared parts of losses that are a sum over tokens. */
import { SwirlError } from "../errors/swirl-error.js";
import type { LossSequence, LossTerms } from "./loss-function.js";

/** The log-probs that a loss requires. Throws INPUT when the batch has none. */
export function requireLogprobs(
  sequence: LossSequence,
  field: "behaviorLogprobs" | "samplerLogprobs",
  loss: string,
): Float32Array {
  const values = sequence[field];
  if (values) return values;
  throw new SwirlError("INPUT", `${loss} needs ${field}, and the sequence has none`, {
    remedy:
      field === "behaviorLogprobs"
        ? "pass the log-probs that act or generate returned with the action"
        : "pass the log-probs that the sampling engine reported, or leave the correction out",
    details: { field },
  });
}

/** Σ w·ℓ and its derivative, where a token's loss depends on no other token. `term` is given the token's index. */
export function sumOverTokens(
  { weights }: LossSequence,
  term: (t: number) => { value: number; derivative: number },
): LossTerms {
  const derivative = new Float64Array(weights.length);
  let value = 0;
  for (let t = 0; t < weights.length; t++) {
    const weight = weights[t]!;
    if (weight === 0) continue; // masked: its log-probs may be anything
    const of = term(t);
    value += weight * of.value;
    derivative[t] = weight * of.derivative;
  }
  return { value, derivative };
}
