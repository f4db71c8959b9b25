/**
 * vLLM, SGLang and llama.cpp as their documentation and source describe them, as scripts of a ServingServer. The tokens
 * and log-probs are a native policy's own, so that what a client makes of them can be compared with that policy.
 */
import type { NativePolicy } from "../../src/policy/native-policy.js";
import type { ServingRequest, ServingScript } from "./serving-server.js";

/** A body or a reply, whose shape is the server's business. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of several shapes
export type Json = Record<string, any>;

interface Sampled {
  tokens: number[];
  logprobs: number[];
  /** What ended it: "eos", the stop string, or undefined for the limit. */
  ended: "eos" | { stop: string } | undefined;
}

async function sample(
  policy: NativePolicy,
  request: {
    prompt: number[];
    maxNewTokens: number;
    temperature: number;
    topK?: number;
    topP?: number;
    stop?: string[];
    seed: number;
  },
): Promise<Sampled> {
  const { prompt, stop = [], ...options } = request;
  const [[completion]] = (await policy.generate([{ tokens: prompt }], { ...options, stop })) as [
    [Awaited<ReturnType<NativePolicy["generate"]>>[number][number]],
  ];
  const { tokens, logprobs, finishReason } = completion!;
  const text = policy.tokenizer.decode(tokens);
  const ended =
    finishReason === "length"
      ? undefined
      : finishReason === "eos"
        ? ("eos" as const)
        : { stop: stop.find((one) => text.includes(one))! };
  return { tokens: Array.from(tokens), logprobs: Array.from(logprobs), ended };
}

/** Changes a reply before it is sent. */
export type Tamper = (reply: Json, request: ServingRequest) => unknown;

/** The adapters that a server has loaded, which are those of the folders it was given. */
class Adapters {
  readonly loaded = new Map<string, NativePolicy>();
  constructor(private readonly base: NativePolicy) {}

  /** Returns the server's complaint. */
  async load({ lora_name: name, lora_path: path }: Json): Promise<string | undefined> {
    if (this.loaded.has(name)) return `The lora adapter '${name}' has already been loaded.`;
    this.loaded.set(
      name,
      await this.base.adapter(`${name}-${Adapters.#next++}`, { adapter: path, trainable: false }),
    );
    return undefined;
  }

  async unload({ lora_name: name }: Json): Promise<string | undefined> {
    const adapter = this.loaded.get(name);
    if (!adapter) return `The lora adapter '${name}' cannot be found.`;
    this.loaded.delete(name);
    await adapter.dispose();
    return undefined;
  }

  static #next = 0;
}

export function vllmScript(base: NativePolicy, tamper: Tamper = (reply) => reply): ServingScript {
  const adapters = new Adapters(base);
  return async (request) => {
    if (request.path === "/health") return { json: {} };
    if (request.path === "/v1/models")
      return { json: { object: "list", data: [{ id: "tiny", max_model_len: 256 }] } };
    const body = request.body as Json;
    if (request.path === "/v1/load_lora_adapter" || request.path === "/v1/unload_lora_adapter") {
      const loads = request.path === "/v1/load_lora_adapter";
      const complaint = await (loads ? adapters.load(body) : adapters.unload(body));
      const message = complaint ?? `Success: LoRA adapter '${body.lora_name}' ${loads ? "added" : "removed"}`;
      return complaint ? { json: { error: { message, code: 400 } }, status: 400 } : { raw: message };
    }
    if (request.path !== "/v1/completions") return undefined;
    const policy = adapters.loaded.get(body.model) ?? (body.model === "tiny" ? base : undefined);
    if (!policy) return { json: { error: { message: `no model ${body.model}` } }, status: 404 };
    const { tokens, logprobs, ended } = await sample(policy, {
      prompt: body.prompt,
      maxNewTokens: body.max_tokens,
      temperature: body.temperature,
      stop: body.stop,
      seed: body.seed,
    });
    const reply = {
      id: "cmpl-1",
      object: "text_completion",
      model: body.model,
      choices: [
        {
          index: 0,
          text: policy.tokenizer.decode(tokens),
          finish_reason: ended === undefined ? "length" : "stop",
          stop_reason: typeof ended === "object" ? ended.stop : null,
          token_ids: tokens,
          prompt_token_ids: body.prompt,
          logprobs: { token_logprobs: logprobs, tokens: tokens.map(String) },
        },
      ],
      usage: { prompt_tokens: body.prompt.length, completion_tokens: tokens.length },
    };
    return { json: tamper(reply, request) };
  };
}

export function sglangScript(base: NativePolicy, tamper: Tamper = (reply) => reply): ServingScript {
  const adapters = new Adapters(base);
  return async (request) => {
    if (request.path === "/health") return { json: {} };
    const body = request.body as Json;
    if (request.path === "/load_lora_adapter" || request.path === "/unload_lora_adapter") {
      const complaint = await (request.path === "/load_lora_adapter"
        ? adapters.load(body)
        : adapters.unload(body));
      const json = { success: complaint === undefined, error_message: complaint ?? "", loaded_adapters: {} };
      return { json, status: complaint ? 400 : 200 };
    }
    if (request.path !== "/generate") return undefined;
    const policy = body.lora_path === undefined ? base : adapters.loaded.get(body.lora_path);
    if (!policy) return { json: { error: { message: `no adapter ${body.lora_path}` } }, status: 400 };
    const { tokens, logprobs, ended } = await sample(policy, {
      prompt: body.input_ids,
      maxNewTokens: body.sampling_params.max_new_tokens,
      temperature: body.sampling_params.temperature,
      stop: body.sampling_params.stop,
      seed: body.sampling_params.sampling_seed,
    });
    const reply = {
      text: policy.tokenizer.decode(tokens),
      output_ids: tokens,
      meta_info: {
        id: "1",
        finish_reason:
          ended === undefined
            ? { type: "length", length: tokens.length }
            : { type: "stop", matched: typeof ended === "object" ? ended.stop : tokens.at(-1) },
        prompt_tokens: body.input_ids.length,
        completion_tokens: tokens.length,
        output_token_logprobs: tokens.map((id, t) => [logprobs[t], id, null]),
      },
    };
    return { json: tamper(reply, request) };
  };
}

/**
 * llama-server, with what it leaves out: the probabilities of tokens that end inside a character, and at a stop string
 * as many as the stop string has tokens.
 */
export function llamaCppScript(policy: NativePolicy, tamper: Tamper = (reply) => reply): ServingScript {
  const control = new Set(policy.tokenizer.specialTokens.values());
  const { bytes, offsets } = policy.tokenizer.tokenBytes(policy.vocabSize);
  const textOf = (id: number) => (control.has(id) ? [] : [...bytes.subarray(offsets[id]!, offsets[id + 1]!)]);
  return async (request) => {
    if (request.path === "/health") return { json: { status: "ok" } };
    if (request.path === "/props") return { json: { default_generation_settings: { n_ctx: 256 } } };
    if (request.path !== "/completion") return undefined;
    const body = request.body as Json;
    const forced = body.logit_bias?.[0]?.[0] as number | undefined;
    const logprobOf = async (id: number) =>
      (await policy.logprobs([{ tokens: [...body.prompt, id], actionStart: body.prompt.length }]))[0]![0]!;
    const { tokens, logprobs, ended }: Sampled =
      forced === undefined
        ? await sample(policy, {
            prompt: body.prompt,
            maxNewTokens: body.n_predict,
            temperature: body.temperature,
            topK: body.top_k,
            topP: body.top_p,
            stop: body.stop,
            seed: body.seed,
          })
        : { tokens: [forced], logprobs: [await logprobOf(forced)], ended: undefined };
    const inside = (t: number) => isCutOff(tokens.slice(0, t + 1).flatMap(textOf));
    let places = tokens.flatMap((_, t) => (inside(t) ? [] : [t]));
    if (typeof ended === "object")
      places = places.slice(0, Math.max(0, places.length - policy.tokenizer.encode(ended.stop).length));
    const key = body.post_sampling_probs ? "prob" : "logprob";
    const value = (logprob: number) => (body.post_sampling_probs ? Math.exp(logprob) : logprob);
    const listed =
      body.n_probs > 1
        ? await Promise.all(
            Array.from({ length: policy.vocabSize }, async (_, id) => ({ id, logprob: await logprobOf(id) })),
          )
        : [];
    const reply = {
      content: "",
      tokens,
      stop: true,
      stop_type: ended === undefined ? "limit" : ended === "eos" ? "eos" : "word",
      truncated: false,
      tokens_evaluated: body.prompt.length,
      tokens_predicted: tokens.length,
      completion_probabilities: places.map((t) => ({
        id: tokens[t],
        [key]: value(logprobs[t]!),
        top_logprobs: listed,
      })),
    };
    return { json: tamper(reply, request) };
  };
}

/** validate_utf8 of llama-server: a sequence among the last four bytes that is longer than what follows. */
function isCutOff(text: number[]): boolean {
  for (let i = 1; i <= 4 && i <= text.length; i++) {
    const byte = text[text.length - i]!;
    if ((byte & 0xe0) === 0xc0 && i < 2) return true;
    if ((byte & 0xf0) === 0xe0 && i < 3) return true;
    if ((byte & 0xf8) === 0xf0 && i < 4) return true;
  }
  return false;
}
