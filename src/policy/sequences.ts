/**
 * Converts a caller's sequences and prompts into the engine's. Checks what a conversion to typed arrays would hide
 * (fractions, NaN, overflow, unknown keys) and what a loss function needs. The engine checks against the model (ids
 * below the vocabulary, lengths against the context, actionStart). Both name the field the same way: batch[3].tokens.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { NativeLossOptions, NativeSequence } from "../native/addon.js";

/** A state and an action, to be scored. */
export interface Sequence {
  /** [tokens] Token ids of the state, then of the action. */
  tokens: ArrayLike<number>;
  /** Index of the action's first token: 1 … tokens.length - 1. */
  actionStart: number;
}

/** A state and an action to train on. Scored tokens are those of the action: `tokens.length - actionStart`. */
export interface TrainSequence extends Sequence {
  /** One for the whole action, or one per scored token: [tokens.length - actionStart]. */
  advantage: number | ArrayLike<number>;
  /** [tokens.length - actionStart] At least 0 each; 0 masks a token. @default all 1 */
  weights?: ArrayLike<number>;
  /** [tokens.length - actionStart] Log-probs recorded when the action was sampled, in nats. */
  behaviorLogprobs?: ArrayLike<number>;
  /** [tokens.length - actionStart] Log-probs under the reference of the KL penalty, in nats. */
  referenceLogprobs?: ArrayLike<number>;
  /**
   * [tokens.length - actionStart] Log-probs that another engine reported when it sampled; only loss functions read
   * them.
   */
  samplerLogprobs?: ArrayLike<number>;
}

/** A TrainSequence as typed arrays that the caller cannot change. */
export interface CheckedSequence extends NativeSequence {
  advantage: number | Float32Array;
  weights?: Float32Array;
  behaviorLogprobs?: Float32Array;
  referenceLogprobs?: Float32Array;
  samplerLogprobs?: Float32Array;
  /** What the caller passed as behaviorLogprobs: the sampler may know the array (sampled-logprobs.ts). */
  behaviorSource?: ArrayLike<number>;
}

const LARGEST_ID = 2 ** 31 - 1;

export function toSequences(sequences: readonly Sequence[], what = "sequences"): NativeSequence[] {
  return list(sequences, what).map((sequence, i) => {
    const at = `${what}[${i}]`;
    knownKeys(sequence, ["tokens", "actionStart"], at);
    return toSequence(sequence, at);
  });
}

const trainKeys = [
  "tokens",
  "actionStart",
  "advantage",
  "weights",
  "behaviorLogprobs",
  "referenceLogprobs",
  "samplerLogprobs",
];

/** `loss`: decides what must be present. */
export function toTrainSequences(
  batch: readonly TrainSequence[],
  loss: Pick<NativeLossOptions, "loss" | "klWeight">,
): CheckedSequence[] {
  return list(batch, "batch").map((sequence, i) => {
    const at = `batch[${i}]`;
    knownKeys(sequence, trainKeys, at);
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
    if (loss.loss !== "derivative" && sequence.samplerLogprobs !== undefined) {
      throw invalid(
        `${at}.samplerLogprobs`,
        sequence.samplerLogprobs,
        `left out: loss "${loss.loss}" does not read them`,
        "give the loss a correction, or pass a loss function of your own",
      );
    }
    const { tokens, actionStart } = toSequence(sequence, at);
    // Where actionStart is out of bounds, the engine says so.
    const scored = Math.max(0, tokens.length - actionStart);
    const per = (key: PerToken) =>
      sequence[key] === undefined
        ? {}
        : { [key]: perToken(sequence[key], `${at}.${key}`, scored, rules[key]) };
    return {
      tokens,
      actionStart,
      advantage: toAdvantage(sequence.advantage, `${at}.advantage`, scored),
      ...per("weights"),
      ...per("behaviorLogprobs"),
      ...per("referenceLogprobs"),
      ...per("samplerLogprobs"),
      ...(sequence.behaviorLogprobs === undefined ? {} : { behaviorSource: sequence.behaviorLogprobs }),
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
      throw invalid(`${field}[${i}]`, id, "a token id", "pass the ids as the tokenizer returned them");
    }
    out[i] = id;
  }
  return out;
}

/** A copy of the numbers as float32; each must satisfy `rule`. */
export function toFloats(values: ArrayLike<number>, field: string, rule: Rule = finite): Float32Array {
  isArrayLike(values, field);
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const value = values[i];
    if (typeof value !== "number") throw invalid(`${field}[${i}]`, value, "a number", rule.remedy);
    out[i] = value;
    if (!rule.good(out[i]!)) throw invalid(`${field}[${i}]`, value, rule.expected, rule.remedy);
  }
  return out;
}

interface Rule {
  good(x: number): boolean;
  expected: string;
  remedy: string;
}

const finite: Rule = {
  good: Number.isFinite,
  expected: "finite in float32",
  remedy: "check for a NaN or an overflow",
};
const advantageRule: Rule = {
  good: Number.isFinite,
  expected: "a finite number",
  remedy: "check the rewards this batch was made of",
};
const logprob: Rule = {
  good: (x) => x <= 0 && Number.isFinite(x),
  expected: "a log-prob: finite and at most 0",
  remedy: "record the log-probs again; a token that was sampled has a finite one",
};

type PerToken = "weights" | "behaviorLogprobs" | "referenceLogprobs" | "samplerLogprobs";
const rules: Record<PerToken, Rule> = {
  weights: {
    good: (x) => x >= 0 && Number.isFinite(x),
    expected: "finite and at least 0",
    remedy: "a weight of 0 masks a token; put a sign into the advantage",
  },
  behaviorLogprobs: logprob,
  referenceLogprobs: logprob,
  samplerLogprobs: logprob,
};

function toSequence({ tokens, actionStart }: Sequence, at: string): NativeSequence {
  return {
    tokens: toTokens(tokens, `${at}.tokens`),
    actionStart: integer(actionStart, `${at}.actionStart`),
  };
}

function toAdvantage(
  advantage: number | ArrayLike<number>,
  field: string,
  scored: number,
): number | Float32Array {
  if (typeof advantage === "object" && advantage !== null)
    return perToken(advantage, field, scored, advantageRule);
  if (typeof advantage === "number" && Number.isFinite(Math.fround(advantage))) return advantage;
  throw invalid(field, advantage, "a finite number, or one per scored token", advantageRule.remedy);
}

function perToken(values: ArrayLike<number>, field: string, scored: number, rule: Rule): Float32Array {
  isArrayLike(values, field);
  if (scored > 0 && values.length !== scored) {
    throw invalid(
      field,
      `an array of ${values.length}`,
      `one of ${scored}, an element per token from actionStart on`,
      "leave out the tokens before actionStart, and none after",
    );
  }
  return toFloats(values, field, rule);
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
