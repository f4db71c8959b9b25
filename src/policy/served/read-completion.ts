/**
 * From a server's reply to a completion as the native engine would give it. Pure.
 *
 * What is not certain is no completion: ids that are missing or outside the vocabulary, another number of log-probs than
 * of ids, a log-prob that no sampled token has, a prompt of another length than was sent, an end that nothing explains.
 * Where an action ends is decided here, by its ids: servers differ in what they do after a stop string, and some go on.
 */
import type { NativeCompletion } from "../../native/addon.js";
import { type CompletionRequest, type RawCompletion, shown, unreadable } from "./serving-api.js";

export interface Vocabulary {
  /** Ids are below it. */
  size: number;
  /** UTF-8 bytes of a token, control tokens included. */
  bytes(id: number): Uint8Array;
  /** Maximum tokens of prompt and completion together on this server. */
  contextLength: number;
}

/** A log-prob slightly above 0 is rounding. */
const ROUNDING = 1e-3;
/** vLLM writes -9999 and llama.cpp -3.4e38 where a probability is 0: no sampled token has that. */
const LEAST_LOGPROB = -1_000;

/** @throws SwirlError ENDPOINT with details.unreadable, the reason in a word or two. */
export function readCompletion(
  raw: RawCompletion,
  request: CompletionRequest,
  vocabulary: Vocabulary,
): NativeCompletion {
  const { prompt, maxNewTokens } = request;
  if (raw.promptTokens !== undefined && raw.promptTokens !== prompt.length)
    throw unreadable(
      "other prompt",
      `the server counts ${shown(raw.promptTokens)} tokens in a prompt of ${prompt.length}: it may add a token of its own`,
    );
  const ids = readIds(raw.ids, vocabulary.size);
  // llama.cpp may go past the limit to end a character: what lies before the limit was sampled all the same.
  const tokens = ids.slice(0, maxNewTokens);
  const logprobs = readLogprobs(raw.logprobs, ids.length).slice(0, maxNewTokens);

  const ended = endOf(tokens, request, vocabulary);
  if (ended)
    return {
      tokens: tokens.slice(0, ended.length),
      logprobs: logprobs.slice(0, ended.length),
      finishReason: ended.reason,
    };
  const isFull =
    tokens.length === maxNewTokens || prompt.length + tokens.length >= vocabulary.contextLength - 1;
  if (isFull && (raw.finish === "length" || ids.length > maxNewTokens))
    return { tokens, logprobs, finishReason: "length" };
  const last = tokens.at(-1);
  throw unreadable(
    "unexplained end",
    raw.finish === "stop"
      ? `it stopped after token ${last}, which ends no turn in this tokenizer, and at no stop string`
      : `it ended at a limit after ${tokens.length} of ${maxNewTokens} tokens`,
  );
}

function readIds(ids: unknown, vocabSize: number): Int32Array {
  if (!Array.isArray(ids) || ids.length === 0)
    throw unreadable("no token ids", `its token ids are ${shown(ids)}`);
  const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad >= 0)
    throw unreadable(
      "outside vocabulary",
      `token ${bad} is ${shown(ids[bad])}; the vocabulary has ${vocabSize}`,
    );
  return Int32Array.from(ids as number[]);
}

function readLogprobs(logprobs: unknown, count: number): Float32Array {
  if (!Array.isArray(logprobs)) throw unreadable("no log-probs", `its log-probs are ${shown(logprobs)}`);
  if (logprobs.length !== count)
    throw unreadable("count", `it has ${logprobs.length} log-probs for ${count} tokens`);
  const isLogprob = (x: unknown) => typeof x === "number" && x >= LEAST_LOGPROB && x <= ROUNDING;
  const bad = logprobs.findIndex((logprob) => !isLogprob(logprob));
  if (bad >= 0) throw unreadable("log-prob", `the log-prob of token ${bad} is ${shown(logprobs[bad])}`);
  return Float32Array.from(logprobs as number[], (logprob) => Math.min(0, logprob));
}

/** Where the first token ends the turn, or the first stop string is complete; undefined where neither happens. */
function endOf(
  tokens: Int32Array,
  { stopTokens, stopStrings }: CompletionRequest,
  vocabulary: Vocabulary,
): { length: number; reason: "eos" | "stop" } | undefined {
  const eos = tokens.findIndex((id) => stopTokens.includes(id));
  const stop = stopStrings.length === 0 ? -1 : stopAt(tokens, stopStrings, vocabulary);
  if (stop >= 0 && (eos < 0 || stop < eos)) return { length: stop + 1, reason: "stop" };
  return eos >= 0 ? { length: eos + 1, reason: "eos" } : undefined;
}

/** Index of the token whose bytes complete the first stop string; -1 where there is none. */
function stopAt(tokens: Int32Array, stops: readonly string[], vocabulary: Vocabulary): number {
  const ends: number[] = [];
  const parts = Array.from(tokens, (id) => vocabulary.bytes(id));
  let length = 0;
  for (const part of parts) {
    length += part.length;
    ends.push(length);
  }
  const bytes = Buffer.concat(parts);
  let first = Number.POSITIVE_INFINITY;
  for (const stop of stops) {
    const wanted = Buffer.from(stop, "utf8");
    const at = bytes.indexOf(wanted);
    if (at >= 0) first = Math.min(first, at + wanted.length);
  }
  return ends.findIndex((end) => end >= first);
}
