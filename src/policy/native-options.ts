/** Options of the native policy, with their defaults and where they come from. Unknown keys are an error. */
import { z } from "zod";
import { AGGREGATIONS } from "../losses/aggregation.js";
import { correctionOptions } from "../losses/importance-correction.js";
import type { LossFunction } from "../losses/loss-function.js";
import { LOSS_NAMES } from "../losses/named-losses.js";
import { LARGEST_FLOAT32, positiveFloat32, softmaxTemperature, zeroOrFloat32 } from "../options/float32.js";
import { signalSchema } from "../options/schemas.js";
import { samplingFields } from "./sampling.js";
import { watching } from "./watching.js";

const progress = z
  .custom<(done: number, total: number) => unknown>((value) => typeof value === "function", {
    message: "must be a function (done, total) => void",
  })
  .transform(watching);

const watched = { signal: signalSchema.optional(), onProgress: progress.optional() };

export const loadOptionsSchema = z.strictObject({
  /** "auto" takes the first GPU, else the CPU. */
  device: z
    .string()
    .regex(/^(auto|cpu|cuda(:\d+)?)$/, { error: 'must be "auto", "cpu", "cuda" or "cuda:N"' })
    .default("auto"),
  /** Of matrix products and activations. Weights, optimizer state, softmax and loss are float32 either way. */
  dtype: z.enum(["float32", "bfloat16"]).default("float32"),
  /** 0 = every core. */
  threads: z.int().min(0).max(4096).default(0),
  /**
   * Bytes that weights, gradients, optimizer state, activations and KV cache may take in all; 0 = 80 % of what is free.
   * Never exceeded: the cache gives way, or the call rejects with code "MEMORY". What kernels need for themselves while
   * they run is not in it.
   */
  memoryBudget: z.int().min(0).default(0),
  /** false leaves out gradients and optimizer state: a judge, or the reference of a KL penalty. */
  trainable: z.boolean().default(true),
  /** Times every kernel; `profile()` gives the result. */
  profile: z.boolean().default(false),
  /** Completions sampled in one engine call when concurrent act calls are merged. */
  maxBatch: z.int().min(1).default(64),
  /** Replaces the model's own chat template. */
  chatTemplate: z.string().min(1).optional(),
  templateVariables: z.record(z.string(), z.unknown()).optional(),
  ...watched,
});

export const logprobsOptionsSchema = z.strictObject({
  /** Logits are divided by it before the softmax. */
  temperature: softmaxTemperature.default(1),
  /** false scores every sequence by itself: same numbers, no shared prefixes. */
  tree: z.boolean().default(true),
  /** Maximum rows per micro-batch, shared ancestors excluded; 0 = 1,024 on the CPU, 8,192 on a GPU. Results do not depend on it. */
  maxTokensPerMicroBatch: z.int().min(0).default(0),
  ...watched,
});

const lossParameter = z.number().optional(); // whether the loss takes it, and in what range, is for the loss to say

/** See LossOptions in training-options.ts. */
const lossFields = {
  loss: z
    .union([z.enum(LOSS_NAMES), z.custom<LossFunction>((value) => typeof value === "function")])
    .default("reinforce"),
  clipLow: lossParameter,
  clipHigh: lossParameter,
  dualClip: lossParameter,
  ratioCap: lossParameter,
  ratioFloor: lossParameter,
  tauPositive: lossParameter,
  tauNegative: lossParameter,
  divergenceLow: lossParameter,
  divergenceHigh: lossParameter,
  correction: correctionOptions.optional(),
  aggregation: z.enum(AGGREGATIONS).optional(),
  fixedLength: z.number().min(1).max(LARGEST_FLOAT32).optional(),
  denominators: z
    .strictObject({ sequences: positiveFloat32.optional(), tokens: positiveFloat32.optional() })
    .optional(),
  klWeight: zeroOrFloat32.default(0),
  klEstimator: z.enum(["k1", "k2", "k3", "k3+"]).default("k3"),
  entropyWeight: zeroOrFloat32.default(0),
  temperature: softmaxTemperature.default(1),
  tree: z.boolean().default(true),
  maxTokensPerMicroBatch: z.int().min(0).default(0),
};

const groupSchema = z
  .strictObject({
    name: z.string().min(1).optional(),
    match: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).readonly()]),
    lr: zeroOrFloat32.optional(),
    lrScale: z.number().min(0).max(LARGEST_FLOAT32).optional(),
    weightDecay: z.number().min(0).optional(),
    frozen: z.boolean().default(false),
  })
  .refine(({ lr, lrScale }) => lr === undefined || lrScale === undefined, {
    path: ["lrScale"],
    error: "lrScale does nothing next to lr: give one of them",
  });

/** See OptimizerOptions in training-options.ts. */
export const optimizerSchema = z.strictObject({
  lr: zeroOrFloat32.default(1e-6),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  eps: positiveFloat32.default(1e-8),
  weightDecay: z.number().min(0).default(0),
  decay: z.enum(["all", "matrices"]).default("all"),
  maxGradNorm: zeroOrFloat32.default(1),
  freeze: z.array(z.string().min(1)).readonly().default([]),
  groups: z.array(groupSchema).readonly().default([]),
});

export const lossOptionsSchema = z.strictObject({ ...lossFields, ...watched });
export const updateOptionsSchema = z.strictObject({
  ...lossFields,
  optimizer: optimizerSchema.prefault({}),
  ...watched,
});

export const generateOptionsSchema = z.strictObject({
  ...samplingFields,
  maxNewTokens: z.int().min(1).default(512),
  /** Tokens that end a completion (kept); default: the model's end-of-turn tokens. */
  stopTokens: z.array(z.int().min(0)).optional(),
  ...watched,
});

export const saveOptionsSchema = z.strictObject({
  /** Of the stored weights; default: each tensor keeps the type it was loaded with. */
  dtype: z.enum(["float32", "bfloat16"]).optional(),
});

export type LoadOptions = z.input<typeof loadOptionsSchema>;
export type LogprobsOptions = z.input<typeof logprobsOptionsSchema>;
export type GenerateOptions = z.input<typeof generateOptionsSchema>;
export type SaveOptions = z.input<typeof saveOptionsSchema>;

/** Loss and optimizer options as parsed. */
export type LossInput = Omit<z.output<typeof lossOptionsSchema>, "signal" | "onProgress">;
export type AdamwOptions = z.output<typeof optimizerSchema>;
