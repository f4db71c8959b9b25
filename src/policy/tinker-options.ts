/** Options of a policy whose trainer is a server of the Tinker API. Unknown keys are an error. */
import { z } from "zod";
import { signalSchema } from "../options/schemas.js";
import { connectionShape, type TinkerConnection } from "../tinker/connection.js";
import { REDUCTION_KINDS, type Reduction } from "../tinker/reduction.js";

/** The adapter that is trained on the server. */
export interface TinkerLora {
  /** Rank of the matrices, at least 1; servers have an upper limit. */
  rank: number;
  /** Seed of the initial weights. Default: the server draws one. */
  seed?: number | undefined;
  /** Adapts the attention's projections. Servers may ignore it. @default true */
  trainAttention?: boolean | undefined;
  /** Adapts the MLP's projections. Servers may ignore it. @default true */
  trainMlp?: boolean | undefined;
  /** Adapts the language-model head. Servers may ignore it. @default false */
  trainUnembed?: boolean | undefined;
}

/** Options of `Policy.connect` for a trainer on other machines. */
export interface TinkerOptions extends TinkerConnection {
  /** The wire that the server speaks. */
  trainer: "tinker";
  /** The base model's name on the server. */
  baseModel: string;
  /** The adapter that is trained. */
  lora: TinkerLora;
  /** Folder with the base model's tokenizer.json and tokenizer_config.json. Text becomes tokens here, not on the server. */
  tokenizer: string;
  /** Weights to start from: a path that the server returned for saved weights. Default: a new adapter. */
  from?: string | undefined;
  /** Context length in tokens. Default: what the server reports, else max_position_embeddings of the config.json in `tokenizer`. */
  contextLength?: number | undefined;
  /** Sampling requests in flight at once, at least 1. @default 64 */
  concurrency?: number | undefined;
  /**
   * How the server reduces losses, when you know it: saves the probe, and is needed where the probe finds nothing. A wrong
   * one trains with a wrong step size. `policy.reduction` shows what a probe found.
   */
  reduction?: Reduction | undefined;
  /** With `reduction`: whether the server clips gradients to a norm. @default false */
  clipsGradients?: boolean | undefined;
  /**
   * Most nats by which the log-probs of the sampler may differ from those of the trainer for the same weights, on average
   * over a batch, before an update is refused.
   * @default 0.5
   */
  maxMismatch?: number | undefined;
  /**
   * Largest β₂ of Adam that an update may ask for. Servers that keep Adam's constants in bfloat16 (SkyRL's JAX backend) read
   * 0.999 as 1 and write NaN into every adapter they hold, so it is refused until you know that yours does not.
   * @default 0.99
   */
  largestBeta2?: number | undefined;
  /** A Jinja template that replaces the model's own chat template. */
  chatTemplate?: string | undefined;
  /** Further variables of the chat template, such as `enable_thinking`. */
  templateVariables?: Record<string, unknown> | undefined;
  /** Ends the connecting with code ABORTED. */
  signal?: AbortSignal | undefined;
}

export const tinkerOptionsSchema = z.strictObject({
  ...connectionShape,
  trainer: z.literal("tinker"),
  baseModel: z.string().min(1),
  lora: z.strictObject({
    rank: z.int().min(1),
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .optional(),
    trainAttention: z.boolean().default(true),
    trainMlp: z.boolean().default(true),
    trainUnembed: z.boolean().default(false),
  }),
  tokenizer: z.string().min(1),
  from: z.string().min(1).optional(),
  contextLength: z.int().min(2).optional(),
  concurrency: z.int().min(1).default(64),
  reduction: z.strictObject({ kind: z.enum(REDUCTION_KINDS), scope: z.enum(["step", "call"]) }).optional(),
  clipsGradients: z.boolean().default(false),
  maxMismatch: z.number().positive().default(0.5),
  largestBeta2: z.number().gt(0).lt(1).default(0.99),
  chatTemplate: z.string().min(1).optional(),
  templateVariables: z.record(z.string(), z.unknown()).optional(),
  signal: signalSchema.optional(),
});

export type ResolvedTinkerOptions = z.output<typeof tinkerOptionsSchema>;
