/**
 * The JSON messages of the Tinker API, as far as this client reads them. Every answer is checked before it is used: a
 * field that is missing or of another kind is an error that names it, never a default.
 *
 * Source: the request and response types of the official Python package `tinker` (0.24) and of SkyRL's server.
 */
import { z } from "zod";

/** Unsigned ids come as text or as numbers. */
const idSchema = z.union([z.string().min(1), z.int()]).transform(String);

export const sessionSchema = z.object({ session_id: z.string().min(1) });

/** What a call that takes long answers at once: the id under which its result is retrieved. */
export const acceptedSchema = z.object({
  request_id: idSchema,
  /** Some servers name the new model here already. */
  model_id: z.string().min(1).nullish(),
});

export const capabilitiesSchema = z.object({
  supported_models: z
    .array(z.object({ model_name: z.string().nullish(), max_context_length: z.int().min(1).nullish() }))
    .default([]),
});

/** Answers of `retrieve_future` that are no result. */
export const pendingSchema = z.object({ type: z.literal("try_again") });
export const failedSchema = z.object({ error: z.string(), category: z.string().nullish() });

const tensorSchema = z.object({ data: z.array(z.number()) });

export const modelSchema = z.object({ model_id: z.string().min(1) });

export const passSchema = z.object({
  loss_fn_outputs: z.array(z.object({ logprobs: tensorSchema })),
});

export const stepSchema = z
  .object({ metrics: z.record(z.string(), z.number().nullable()).nullish() })
  .nullable();

export const savedSchema = z.object({ path: z.string().min(1) });

/** A result of which nothing is read. */
export const doneSchema = z.unknown();

export const sampledSchema = z.object({
  sequences: z.array(
    z.object({
      tokens: z.array(z.int().min(0)),
      logprobs: z.array(z.number()),
      stop_reason: z.enum(["stop", "length"]),
    }),
  ),
});

export const scoredSchema = z.object({
  /** The first token has no context, and no log-prob. */
  prompt_logprobs: z.array(z.number().nullable()),
});

/** A tensor in a request. */
export interface Tensor {
  data: number[];
  dtype: "int64" | "float32";
  shape: number[];
}

/** One sequence of a model pass. */
export interface Datum {
  model_input: ModelInput;
  loss_fn_inputs: Record<string, Tensor>;
}

export interface ModelInput {
  chunks: { type: "encoded_text"; tokens: number[] }[];
}

export interface AdamParams {
  learning_rate: number;
  beta1: number;
  beta2: number;
  eps: number;
  weight_decay: number;
  /** 0 = no clipping. Servers that do not know it ignore it; clipping-probe finds out. */
  grad_clip_norm?: number;
}

export interface LoraConfig {
  rank: number;
  seed?: number;
  train_unembed: boolean;
  train_mlp: boolean;
  train_attn: boolean;
}
