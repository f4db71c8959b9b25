/**
 * vLLM: POST /v1/completions with token ids as prompt and `return_token_ids`.
 *
 * Every sampling parameter is sent, since vLLM takes defaults from the model's generation_config.json: a repetition
 * penalty or top-k that nobody asked for would sample from another distribution than the one that is trained.
 */
import { APIError } from "openai";
import {
  type Caller,
  type CompletionRequest,
  cannotReport,
  isRecord,
  listedContextLength,
  post,
  type RawCompletion,
  type ServingApi,
  samplesModel,
  shown,
  unreadable,
} from "./serving-api.js";

export const vllm: ServingApi = {
  name: "vllm",
  health: async (endpoint, signal) => await endpoint.client.get("/health", { signal }),

  contextLength: (served) => listedContextLength(served, served.model),

  requireLogprobs(request, { processedLogprobs }) {
    if (samplesModel(request) || processedLogprobs) return;
    throw cannotReport(
      `vLLM reports the log-probs of the model, not those at temperature ${request.temperature}, topK ${request.topK}, topP ${request.topP}`,
      "sample at temperature 1 or 0, or start vLLM with --logprobs-mode processed_logprobs and set processedLogprobs: true",
    );
  },

  async complete(request, served) {
    return readVllm(
      await post(served, "/v1/completions", { ...vllmBody(request, served.model), ...served.extraBody }),
      request,
    );
  },

  // Needs --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.
  async loadAdapter({ name, path }, caller) {
    try {
      await say(caller, "/v1/load_lora_adapter", { lora_name: name, lora_path: path });
    } catch (error) {
      if (!(error instanceof APIError) || !/already (been )?(loaded|exist)/i.test(error.message)) throw error;
    }
  },

  async unloadAdapter(name, caller) {
    await say(caller, "/v1/unload_lora_adapter", { lora_name: name });
  },
};

export function vllmBody(request: CompletionRequest, model: string | undefined): Record<string, unknown> {
  return {
    ...(model === undefined ? {} : { model }),
    prompt: Array.from(request.prompt),
    max_tokens: request.maxNewTokens,
    temperature: request.temperature,
    top_k: request.topK === 0 ? -1 : request.topK,
    top_p: request.topP,
    min_p: 0,
    repetition_penalty: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    seed: request.seed,
    stop_token_ids: Array.from(request.stopTokens),
    ...(request.stopStrings.length > 0 ? { stop: [...request.stopStrings] } : {}),
    skip_special_tokens: false, // stop strings are looked for in the text with its control tokens, as ours are
    logprobs: 1,
    return_token_ids: true,
    stream: false,
  };
}

/** The one choice of a reply, whose prompt must be the one that was sent. */
export function readVllm(reply: Record<string, unknown>, request: CompletionRequest): RawCompletion {
  const choice: unknown = Array.isArray(reply.choices) ? reply.choices[0] : undefined;
  if (!isRecord(choice)) throw unreadable("no choice", `choices is ${shown(reply.choices)}`);
  const { finish_reason: reason, token_ids: ids, prompt_token_ids: prompt } = choice;
  if (reason !== "stop" && reason !== "length")
    throw unreadable("finish reason", `finish_reason is ${shown(reason)}`);
  if (ids === undefined || ids === null)
    throw unreadable("no token ids", "it has no token_ids: vLLM 0.10.2 and later return them");
  if (
    Array.isArray(prompt) &&
    !(prompt.length === request.prompt.length && request.prompt.every((id, i) => id === prompt[i]))
  )
    throw unreadable("other prompt", "prompt_token_ids are not the ids that were sent");
  return {
    ids,
    logprobs: isRecord(choice.logprobs) ? choice.logprobs.token_logprobs : undefined,
    finish: reason,
    promptTokens: isRecord(reply.usage) ? reply.usage.prompt_tokens : undefined,
  };
}

/** A request that is answered in words, which say nothing that the status does not. */
async function say({ endpoint, signal }: Caller, path: string, body: Record<string, unknown>): Promise<void> {
  const response = await endpoint.client.post(path, { body, signal }).asResponse();
  await response.body?.cancel();
}
