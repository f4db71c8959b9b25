/**
 * Sampling and scoring on a Tinker server, token ids in and out. Sampling again changes nothing, so every request may be
 * repeated.
 */
import type { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { modelInput } from "./datum.js";
import { retrieve } from "./future.js";
import { acceptedSchema, sampledSchema, scoredSchema } from "./messages.js";
import type { TinkerHttp } from "./tinker-http.js";

/** Weights to sample from: a path that `saveSampler` returned, or the base model alone. */
export type SamplerWeights = { modelPath: string } | { baseModel: string };

export interface SampleRequest {
  tokens: Int32Array;
  n: number;
  maxTokens: number;
  temperature: number;
  /** 0 = off. */
  topK: number;
  topP: number;
  /** The server adds the index of the sample. */
  seed: number;
  /** Token ids or texts, not both: servers refuse a mixture. */
  stop: number[] | string[];
}

export interface Sampled {
  tokens: Int32Array;
  logprobs: Float32Array;
  /** As the server says; what the tokens show decides. */
  stopReason: "stop" | "length";
}

/** Exactly `n` samples. Rejects with ENDPOINT for another number, or log-probs that are not one per token. */
export async function sample(
  http: TinkerHttp,
  weights: SamplerWeights,
  request: SampleRequest,
  signal: AbortSignal | undefined,
): Promise<Sampled[]> {
  const body = {
    prompt: modelInput(request.tokens),
    num_samples: request.n,
    sampling_params: {
      max_tokens: request.maxTokens,
      seed: request.seed,
      temperature: request.temperature,
      top_k: request.topK > 0 ? request.topK : -1,
      top_p: request.topP,
      ...(request.stop.length > 0 ? { stop: request.stop } : {}),
    },
    ...named(weights),
    type: "sample",
  };
  const { sequences } = await asked(http, body, sampledSchema, signal);
  if (sequences.length !== request.n)
    throw faulty(http, `returned ${sequences.length} samples for ${request.n}`);
  return sequences.map(({ tokens, logprobs, stop_reason }) => {
    if (tokens.length !== logprobs.length || tokens.length > request.maxTokens)
      throw faulty(
        http,
        `returned ${tokens.length} tokens with ${logprobs.length} log-probs, of at most ${request.maxTokens}`,
      );
    return {
      tokens: Int32Array.from(tokens),
      logprobs: Float32Array.from(logprobs),
      stopReason: stop_reason,
    };
  });
}

/** log p(tokens[t] | tokens[<t]) for t = 1 … T - 1. Rejects with ENDPOINT when the server does not return one for each. */
export async function score(
  http: TinkerHttp,
  weights: SamplerWeights,
  tokens: Int32Array,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const body = {
    prompt: modelInput(tokens),
    num_samples: 1,
    sampling_params: { max_tokens: 1, seed: 0, temperature: 1, top_k: -1, top_p: 1 },
    prompt_logprobs: true,
    ...named(weights),
    type: "sample",
  };
  const { prompt_logprobs: logprobs } = await asked(http, body, scoredSchema, signal);
  // Some servers leave the first token's place out.
  const scored = logprobs.length === tokens.length ? logprobs.slice(1) : logprobs;
  if (scored.length !== tokens.length - 1 || scored.some((logprob) => logprob === null))
    throw faulty(http, `returned ${logprobs.length} prompt log-probs for ${tokens.length} tokens`);
  return Float32Array.from(scored as number[]);
}

async function asked<Schema extends z.ZodType>(
  http: TinkerHttp,
  body: object,
  schema: Schema,
  signal: AbortSignal | undefined,
): Promise<z.output<Schema>> {
  const submit = async () => (await http.call("asample", body, acceptedSchema, { signal })).request_id;
  const requestId = await submit();
  return await retrieve(http, { call: "asample", requestId, schema, resubmit: submit, signal });
}

function named(weights: SamplerWeights): object {
  return "modelPath" in weights ? { model_path: weights.modelPath } : { base_model: weights.baseModel };
}

function faulty(http: TinkerHttp, what: string): SwirlError {
  return new SwirlError("ENDPOINT", `trainer ${http.host}: asample ${what}`, {
    remedy: "this is a fault of the server: report it, with its version",
    details: { host: http.host, call: "asample", trainer: true, final: true },
  });
}
