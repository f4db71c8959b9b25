/**
 * What callers pass as sequences and prompts, turned into what the engine takes. Here everything is checked that a
 * conversion to Int32Array or Float32Array would hide (fractions, NaN, overflow, unknown keys); the bindings check the
 * rest (ids below the vocabulary, lengths against the context, actionStart) with the same naming: batch[3].tokens.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { NativeSequence, NativeTrainSequence } from "../native/addon.js";

export interface Sequence {
  /** State and action, joined. */
  tokens: ArrayLike<number>;
  /** Index of the action's first token: 1 … tokens.length - 1. */
  actionStart: number;
}

export interface TrainSequence extends Sequence {
  /** One for the whole action, or one per scored token: [tokens.length - actionStart]. */
  advantage: number | ArrayLike<number>;
  /** [tokens.length - actionStart] at least 0 each: 0 masks a token. Absent: 1 throughout. */
  weights?: ArrayLike<number>;
  /** [tokens.length - actionStart], as recorded when the action was sampled. */
  behaviorLogprobs?: ArrayLike<number>;
  /** [tokens.length - actionStart], under the policy that the KL penalty stays close to. */
  referenceLogprobs?: ArrayLike<number>;
  /** [tokens.length - actionStart], as another engine reported them when it sampled. */
  samplerLogprobs?: ArrayLike<number>;
}

const LARGEST_ID = 2 ** 31 - 1;

export function toSequences(sequences: readonly Sequence[], what = "sequences"): NativeSequence[] {
  return list(sequences, what).map((sequence, i) => {
    const at = `${what}[${i}]`;
    knownKeys(sequence, ["tokens", "actionStart"], at);
    return {
      tokens: toTokens(sequence.tokens, `${at}.tokens`),
      actionStart: integer(sequence.actionStart, `${at}.actionStart`),
    };
  });
}

const trainKeys = ["tokens", "actionStart", "advantage", "behaviorLogprobs", "referenceLogprobs"];

export function toTrainSequences(
  batch: readonly TrainSequence[],
  loss: { loss: string; klWeight: number },
): NativeTrainSequence[] {
  return list(batch, "batch").map((sequence, i) => {
    const at = `batch[${i}]`;
    knownKeys(sequence, trainKeys, at);
    if (typeof sequence.advantage !== "number" || !Number.isFinite(sequence.advantage)) {
      throw invalid(
        `${at}.advantage`,
        sequence.advantage,
        "a finite number",
        "check the rewards this batch was made of",
      );
    }
    if (loss.loss === "ppo-clip" && sequence.behaviorLogprobs === undefined) {
      throw invalid(
        `${at}.behaviorLogprobs`,
        undefined,
        'present: loss "ppo-clip" compares with the policy that sampled',
        'pass the log-probs recorded with the action, or use loss "reinforce"',
      );
    }
    if (loss.klWeight > 0 && sequence.referenceLogprobs === undefined) {
      throw invalid(
        `${at}.referenceLogprobs`,
        undefined,
        `present: with klWeight ${loss.klWeight} there must be a reference to stay close to`,
        "score the batch with the reference policy first, or set klWeight to 0",
      );
    }
    return {
      tokens: toTokens(sequence.tokens, `${at}.tokens`),
      actionStart: integer(sequence.actionStart, `${at}.actionStart`),
      advantage: sequence.advantage as number,
      ...(sequence.behaviorLogprobs === undefined
        ? {}
        : { behaviorLogprobs: toFloats(sequence.behaviorLogprobs, `${at}.behaviorLogprobs`) }),
      ...(sequence.referenceLogprobs === undefined
        ? {}
        : { referenceLogprobs: toFloats(sequence.referenceLogprobs, `${at}.referenceLogprobs`) }),
    };
  });
}

/** Always a copy that the caller cannot change. */
export function toTokens(tokens: ArrayLike<number>, field: string): Int32Array {
  if (tokens instanceof Int32Array) return tokens.slice();
  isArrayLike(tokens, field);
  const out = new Int32Array(tokens.length);
  for (let i = 0; i < out.length; i++) {
    const id = tokens[i]!;
    if (!Number.isInteger(id) || id < 0 || id > LARGEST_ID) {
      throw invalid(`${field}[${i}]`, id, "a token id", "pass the ids as the tokenizer gave them");
    }
    out[i] = id;
  }
  return out;
}

function toFloats(values: ArrayLike<number>, field: string): Float32Array {
  if (values instanceof Float32Array) return values;
  isArrayLike(values, field);
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const value = values[i];
    if (typeof value !== "number")
      throw invalid(`${field}[${i}]`, value, "a number", "pass log-probs as numbers");
    out[i] = value;
  }
  return out;
}

function list<T>(value: readonly T[], what: string): readonly T[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw invalid(
    what,
    Array.isArray(value) ? "an empty array" : value,
    "an array of at least one sequence",
    "pass one or more",
  );
}

function knownKeys(value: object, known: readonly string[], at: string): void {
  if (typeof value !== "object" || value === null)
    throw invalid(at, value, "an object", `give it ${known.join(", ")}`);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw invalid(`${at}.${unknown}`, "an unknown key", "left out", `a sequence has ${known.join(", ")}`);
  }
}

function isArrayLike(value: unknown, field: string): asserts value is ArrayLike<number> {
  const length =
    typeof value === "object" && value !== null ? (value as { length?: unknown }).length : undefined;
  if (!Number.isSafeInteger(length)) {
    throw invalid(
      field,
      value,
      "an array or typed array of numbers",
      "pass Int32Array, Float32Array or number[]",
    );
  }
}

function integer(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw invalid(field, value, "an integer", "it is the index of the action's first token");
}

function invalid(field: string, value: unknown, expected: string, remedy: string): SwirlError {
  const found =
    value === undefined
      ? "missing"
      : typeof value === "object"
        ? JSON.stringify(value)?.slice(0, 60)
        : String(value);
  return new SwirlError("INPUT", `${field} is ${found}; it must be ${expected}`, {
    remedy,
    details: { field },
  });
}
