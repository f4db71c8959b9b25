/**
 * SGLang: POST /generate with `input_ids` and `return_logprob`. Ids and log-probs come as pairs in
 * meta_info.output_token_logprobs. An adapter is named by `lora_path`.
 */
import { messageOf } from "../../errors/message-of.js";
import { SwirlError } from "../../errors/swirl-error.js";
import {
  type CompletionRequest,
  cannotReport,
  isRecord,
  listedContextLength,
  post,
  type RawCompletion,
  type ServingApi,
  shown,
  unreadable,
} from "./serving-api.js";

export const sglang: ServingApi = {
  name: "sglang",
  health: async (endpoint, signal) => await endpoint.client.get("/health", { signal }),

  contextLength: (served) => listedContextLength(served), // `model` is an adapter: the base comes first

  requireLogprobs({ temperature, topK, topP }) {
    // Its log-probs are those at the sampling temperature, before top-k and top-p.
    if (temperature === 0 || (topK === 0 && topP === 1)) return;
    throw cannotReport(
      `SGLang reports log-probs before top-k and top-p, not those of the distribution sampled from (topK ${topK}, topP ${topP})`,
      "sample with topK 0 and topP 1",
    );
  },

  async complete(request, served) {
    const body = { ...sglangBody(request, served.model), ...served.extraBody };
    return readSglang(await post(served, "/generate", body));
  },

  // Needs --enable-lora with --max-lora-rank and --lora-target-modules.
  async loadAdapter({ name, path }, served) {
    try {
      requireSuccess(await post(served, "/load_lora_adapter", { lora_name: name, lora_path: path }));
    } catch (error) {
      if (!/already (been )?(loaded|exist)/i.test(messageOf(error))) throw error;
    }
  },

  async unloadAdapter(name, served) {
    requireSuccess(await post(served, "/unload_lora_adapter", { lora_name: name }));
  },
};

export function sglangBody(request: CompletionRequest, adapter: string | undefined): Record<string, unknown> {
  return {
    input_ids: Array.from(request.prompt),
    sampling_params: {
      max_new_tokens: request.maxNewTokens,
      temperature: request.temperature,
      top_k: request.topK === 0 ? -1 : request.topK,
      top_p: request.topP,
      min_p: 0,
      repetition_penalty: 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      sampling_seed: request.seed, // read with --enable-deterministic-inference only
      stop_token_ids: Array.from(request.stopTokens),
      ...(request.stopStrings.length > 0 ? { stop: [...request.stopStrings] } : {}),
      skip_special_tokens: false,
      no_stop_trim: true,
    },
    return_logprob: true,
    stream: false,
    ...(adapter === undefined ? {} : { lora_path: adapter }),
  };
}

export function readSglang(reply: Record<string, unknown>): RawCompletion {
  const meta = reply.meta_info;
  if (!isRecord(meta)) throw unreadable("no meta_info", `meta_info is ${shown(meta)}`);
  const reason: unknown = isRecord(meta.finish_reason) ? meta.finish_reason.type : meta.finish_reason;
  if (reason !== "stop" && reason !== "length")
    throw unreadable("finish reason", `finish_reason is ${shown(meta.finish_reason)}`);
  const pairs = meta.output_token_logprobs;
  if (!Array.isArray(pairs))
    throw unreadable("no log-probs", `meta_info.output_token_logprobs is ${shown(pairs)}`);
  const bad = pairs.find((pair) => !Array.isArray(pair) || pair.length < 2);
  if (bad !== undefined)
    throw unreadable("no log-probs", `a log-prob is ${shown(bad)}, not [log-prob, id, text]`);
  const ids = (pairs as unknown[][]).map(([, id]) => id);
  if (typeof meta.completion_tokens === "number" && meta.completion_tokens !== ids.length)
    throw unreadable("count", `completion_tokens is ${meta.completion_tokens}, with ${ids.length} log-probs`);
  return {
    ids,
    logprobs: (pairs as unknown[][]).map(([logprob]) => logprob),
    finish: reason,
    promptTokens: meta.prompt_tokens,
  };
}

function requireSuccess(reply: Record<string, unknown>): void {
  if (reply.success === true) return;
  throw new SwirlError("ENDPOINT", `the server did not do it: ${shown(reply.error_message ?? reply)}`);
}
