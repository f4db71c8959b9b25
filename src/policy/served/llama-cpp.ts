/**
 * llama.cpp's own server: POST /completion with a token array and `return_tokens`.
 *
 * It gives fewer log-probs than ids in two cases, which are known, and it is asked for the missing ones:
 * - after a token that ends inside a character it looks at no probability (until the character is whole);
 * - at a stop string it takes as many probabilities away as the stop string has tokens by itself.
 * Each missing one costs a request of one token, answered from the server's cache. llama-cpp-python's server takes and
 * returns no token ids and cannot be used.
 */
import {
  type CompletionRequest,
  isRecord,
  post,
  type RawCompletion,
  type Served,
  type ServingApi,
  samplesModel,
  shown,
  unreadable,
} from "./serving-api.js";

/** Large enough to leave no other token a chance, small enough to stay finite in float32. */
const FORCE = 1e5;
const MOST_PROBS = 1_000_000;

export const llamaCpp: ServingApi = {
  name: "llama.cpp",
  health: async (endpoint, signal) => await endpoint.client.get("/health", { signal }),

  async contextLength({ endpoint, signal }) {
    const reply: unknown = await endpoint.client.get("/props", { signal });
    const settings = isRecord(reply) ? reply.default_generation_settings : undefined;
    const length = isRecord(settings) ? settings.n_ctx : undefined;
    return typeof length === "number" && length >= 1 ? length : undefined;
  },

  requireLogprobs() {}, // it reports either kind, as asked

  async complete(request, served) {
    const body = { ...llamaCppBody(request), ...served.extraBody };
    const reply = readLlamaCpp(await post(served, "/completion", body), request, served);
    for (const [t, logprob] of reply.logprobs.entries())
      if (logprob === undefined) reply.logprobs[t] = await missingLogprob(reply.ids, t, request, served);
    return reply;
  },
};

export function llamaCppBody(request: CompletionRequest): Record<string, unknown> {
  return {
    prompt: Array.from(request.prompt),
    n_predict: request.maxNewTokens,
    seed: request.seed,
    samplers: ["top_k", "top_p", "temperature"],
    temperature: request.temperature,
    top_k: request.topK,
    top_p: request.topP,
    min_p: 0,
    typical_p: 1,
    repeat_penalty: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    dry_multiplier: 0,
    xtc_probability: 0,
    mirostat: 0,
    dynatemp_range: 0,
    ...(request.stopStrings.length > 0 ? { stop: [...request.stopStrings] } : {}),
    n_probs: 1,
    post_sampling_probs: !samplesModel(request),
    return_tokens: true,
    cache_prompt: true,
    stream: false,
  };
}

type Reply = RawCompletion & { ids: number[]; logprobs: (number | undefined)[] };

/** Undefined log-probs are those that this server is known to leave out. */
export function readLlamaCpp(
  reply: Record<string, unknown>,
  request: CompletionRequest,
  { tokenBytes }: Pick<Served, "tokenBytes">,
): Reply {
  const { stop_type: type, tokens: ids, completion_probabilities: probabilities, truncated } = reply;
  if (type !== "eos" && type !== "word" && type !== "limit")
    throw unreadable("finish reason", `stop_type is ${shown(type)}`);
  if (!isIds(ids))
    throw unreadable("no token ids", `tokens is ${shown(ids)}: the server needs return_tokens`);
  if (!Array.isArray(probabilities))
    throw unreadable("no log-probs", `completion_probabilities is ${shown(probabilities)}`);
  if (truncated === true && type !== "limit")
    throw unreadable("truncated", "the server truncated the prompt");
  const whole = wholeCharacters(ids, tokenBytes);
  const places = ids.flatMap((_, t) => (whole[t] ? [t] : []));
  const cut = type === "word" ? places.length - probabilities.length : 0;
  if (cut < 0 || (type !== "word" && places.length !== probabilities.length))
    throw unreadable("count", `it has ${probabilities.length} log-probs for ${ids.length} tokens`);
  const logprobs: (number | undefined)[] = ids.map(() => undefined);
  for (const [i, entry] of probabilities.entries()) {
    const t = places[i]!;
    if (!isRecord(entry) || entry.id !== ids[t])
      throw unreadable(
        "count",
        `log-prob ${i} is of token ${shown(isRecord(entry) ? entry.id : entry)}, not ${ids[t]}`,
      );
    logprobs[t] = logprobOf(entry, !samplesModel(request));
  }
  return {
    ids,
    logprobs,
    finish: type === "limit" ? "length" : "stop",
    promptTokens: reply.tokens_evaluated,
  };
}

/** The log-prob of ids[t] after what precedes it, from the model's own distribution. */
async function missingLogprob(
  ids: readonly number[],
  t: number,
  request: CompletionRequest,
  served: Served,
): Promise<number> {
  if (!samplesModel(request))
    throw unreadable(
      "count",
      `the server leaves out the log-prob of token ${t}, which can be asked for at temperature 1 or 0 only`,
      { ofRequest: true },
    );
  const id = ids[t]!;
  // A token whose text is no whole character gets no probability: a control token is forced, and the list searched.
  const listed = !wholeCharacters([id], served.tokenBytes)[0];
  const forced = listed ? request.stopTokens[0] : id;
  if (forced === undefined) throw unreadable("count", `the server leaves out the log-prob of token ${t}`);
  const reply = await post(served, "/completion", {
    ...llamaCppBody({ ...request, temperature: 0, maxNewTokens: 1, stopStrings: [] }),
    prompt: [...request.prompt, ...ids.slice(0, t)],
    logit_bias: [[forced, FORCE]],
    n_probs: listed ? MOST_PROBS : 1,
    ...served.extraBody,
  });
  const entry: unknown = Array.isArray(reply.completion_probabilities)
    ? reply.completion_probabilities[0]
    : undefined;
  if (!isRecord(entry) || entry.id !== forced)
    throw unreadable("count", `the server gives no log-prob of token ${t}: ${shown(entry)}`);
  if (!listed) return logprobOf(entry, false);
  const list: unknown[] = Array.isArray(entry.top_logprobs) ? entry.top_logprobs : [];
  const found = list.find((one) => isRecord(one) && one.id === id);
  if (!isRecord(found)) throw unreadable("count", `the server's list does not hold token ${t}`);
  return logprobOf(found, false);
}

function logprobOf(entry: Record<string, unknown>, processed: boolean): number {
  const value = processed ? entry.prob : entry.logprob;
  if (typeof value !== "number") throw unreadable("log-prob", `a log-prob is ${shown(entry)}`);
  return processed ? Math.log(value) : value;
}

/** [ids] Whether the text up to and with each token ends with a whole character, as llama.cpp sees it. */
function wholeCharacters(ids: readonly number[], tokenBytes: (id: number) => Uint8Array): boolean[] {
  let tail: number[] = [];
  return ids.map((id) => {
    tail = [...tail, ...tokenBytes(id)].slice(-4);
    return !endsInside(tail);
  });
}

/**
 * Whether one of the last four bytes begins a UTF-8 sequence that is longer than what follows it: the server's own test,
 * which also holds for bytes that are no UTF-8.
 */
function endsInside(bytes: readonly number[]): boolean {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    const length = (byte & 0xe0) === 0xc0 ? 2 : (byte & 0xf0) === 0xe0 ? 3 : (byte & 0xf8) === 0xf0 ? 4 : 1;
    if (length > back) return true;
  }
  return false;
}

function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id) && id >= 0);
}
