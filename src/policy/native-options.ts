/** Options of the native policy, with their defaults. Unknown keys are an error. */
import { z } from "zod";
import { AGGREGATIONS } from "../losses/aggregation.js";
import { correctionOptions } from "../losses/importance-correction.js";
import { KL_ESTIMATORS } from "../losses/kl.js";
import type { LossFunction } from "../losses/loss-function.js";
import { LOSS_NAMES } from "../losses/named-losses.js";
import { LARGEST_FLOAT32, positiveFloat32, softmaxTemperature, zeroOrFloat32 } from "../options/float32.js";
import { signalSchema } from "../options/schemas.js";
import { type LoraOptions, loraSchema } from "./lora/lora-options.js";
import { samplingFields } from "./sampling.js";
import type { Sequence } from "./sequences.js";
import { watching } from "./watching.js";

/** Options of calls that take long. */
export interface WatchOptions {
  /** Ends the call with code ABORTED. Checked between layers, never inside an optimizer step. */
  signal?: AbortSignal | undefined;
  /**
   * Called with the work done and the work in all, at most every 50 ms. An error in it becomes a warning of the
   * process.
   */
  onProgress?: ((done: number, total: number) => unknown) | undefined;
}

/** Options of `Policy.load`. */
export interface LoadOptions extends WatchOptions {
  /** "auto" (the first GPU, else the CPU), "cpu", "cuda" or "cuda:N". See {@link devices}. @default "auto" */
  device?: string | undefined;
  /**
   * Format of matrix products and activations. Softmax, loss and gradients are always float32, and so are weights and
   * optimizer state unless `optimizerState` is "compact". @default "float32"
   */
  dtype?: "float32" | "bfloat16" | undefined;
  /** CPU threads, 0 … 4,096; 0 = every core. @default 0 */
  threads?: number | undefined;
  /**
   * Maximum bytes of weights, gradients, optimizer state, activations and KV cache together; 0 = 80 % of the free
   * memory. It is never exceeded: the cache shrinks, or the call rejects with code MEMORY. Working memory inside
   * kernels is not included.
   * @default 0
   */
  memoryBudget?: number | undefined;
  /** false: no gradients and no optimizer state, for a judge or the reference of a KL penalty. @default true */
  trainable?: boolean | undefined;
  /**
   * A new low-rank adapter on the model, which is then frozen: held once in `dtype`, without gradients or optimizer
   * state. `trainable` is about the adapter. See docs/lora.md.
   */
  lora?: LoraOptions | undefined;
  /** Folder of a PEFT adapter of this model, trainable like a new one. Instead of `lora`. */
  adapter?: string | undefined;
  /** For an adapter whose config names a base that is not here: the folder of the model it was trained on. */
  base?: string | undefined;
  /**
   * What training holds per parameter of a matrix, gradient included. "float32": 16 bytes, with dtype "bfloat16" 18
   * (float32 master weights and moments). "compact": 8.06 bytes, as 8-bit AdamW with stochastic rounding elsewhere:
   * bfloat16 weights, float32 gradient, both moments in 8 bits with a scale per 32 elements. Needs dtype "bfloat16".
   * Norms and biases stay float32.
   * @default "float32"
   */
  optimizerState?: "float32" | "compact" | undefined;
  /**
   * Activations that the backward computes again instead of keeping them ("gradient checkpointing"); the gradients have
   * the same bits. "none"; "mlp": the gated activation's input, the largest; "layers": all but q, k, v and the input of
   * every layer. "auto" is "none" while the batch fits into `memoryBudget`, then "mlp", then "layers".
   * @default "auto"
   */
  recompute?: "auto" | "none" | "mlp" | "layers" | undefined;
  /** Times every kernel; read the result with `profile()`. @default false */
  profile?: boolean | undefined;
  /** Completions sampled in one engine call when concurrent `act` calls are merged, at least 1. @default 64 */
  maxBatch?: number | undefined;
  /** A Jinja template that replaces the model's own chat template. */
  chatTemplate?: string | undefined;
  /** Further variables of the chat template, such as `enable_thinking`. */
  templateVariables?: Record<string, unknown> | undefined;
}

/** Options of `NativePolicy.adapter`: one of `lora` and `adapter`. */
export interface AdapterOptions {
  /** A new adapter. */
  lora?: LoraOptions | undefined;
  /** Folder of a PEFT adapter of this base. */
  adapter?: string | undefined;
  /** false: no gradients and no optimizer state. @default true */
  trainable?: boolean | undefined;
  /** Ends the call with code ABORTED. */
  signal?: AbortSignal | undefined;
}

/** Options of `NativePolicy.logprobs`. */
export interface LogprobsOptions extends WatchOptions {
  /** Logits are divided by it before the softmax; above 0. @default 1 */
  temperature?: number | undefined;
  /** false scores every sequence by itself: the same numbers, without shared prefixes. @default true */
  tree?: boolean | undefined;
  /**
   * Maximum rows per micro-batch, excluding shared ancestors; 0 = 1,024 on the CPU, 8,192 on a GPU. Results do not
   * depend on it.
   * @default 0
   */
  maxTokensPerMicroBatch?: number | undefined;
}

/** Options of `NativePolicy.generate`. */
export interface GenerateOptions extends WatchOptions {
  /** Completions per prompt, 1 … 4,096. @default 1 */
  n?: number | undefined;
  /** Logits are divided by it; at least 0, 0 = greedy. @default 1 */
  temperature?: number | undefined;
  /** Sample from the k most probable tokens; 0 = off. @default 0 */
  topK?: number | undefined;
  /** Sample from the most probable tokens that have this probability together; above 0, at most 1 = off. @default 1 */
  topP?: number | undefined;
  /** Strings that end a completion. The first that appears is kept. @default [] */
  stop?: readonly string[] | undefined;
  /** An integer. The same seed, prompt and weights give the same completions. Default: another one per call. */
  seed?: number | undefined;
  /** Maximum tokens per completion, at least 1. @default 512 */
  maxNewTokens?: number | undefined;
  /** Token ids that end a completion; the token is kept. Default: the model's end-of-turn tokens. */
  stopTokens?: number[] | undefined;
}

/** Options of `NativePolicy.save`. */
export interface SaveOptions {
  /** Format of the stored weights. Default: each tensor keeps the format it was loaded with; float32 for an adapter. */
  dtype?: "float32" | "bfloat16" | undefined;
}

/** Options of `NativePolicy.merge`. */
export interface MergeOptions {
  /** Format of the stored weights. Default: each tensor keeps the format of the base. */
  dtype?: "float32" | "bfloat16" | undefined;
  /**
   * What is scored before and after, to see what rounding changed: sequences, or false for nothing. Default: four
   * completions of 32 tokens that the policy samples.
   */
  probe?: Sequence[] | false | undefined;
  /** Ends the call with code ABORTED; the folder is then not written. */
  signal?: AbortSignal | undefined;
}

/** What `NativePolicy.merge` did to the log-probs of its probe; in nats, over all scored tokens. */
export interface MergeReport {
  /** Tokens that were scored; 0 without a probe. */
  tokens: number;
  /** Mean log-prob under base and adapter. */
  before: number;
  /** Mean log-prob under the merged weights, loaded from the folder. */
  after: number;
  /** Mean of the absolute differences by token. */
  meanDifference: number;
  /** Largest of them. */
  maxDifference: number;
}

const progress = z
  .custom<(done: number, total: number) => unknown>((value) => typeof value === "function", {
    message: "must be a function (done, total) => void",
  })
  .transform(watching);

const watched = { signal: signalSchema.optional(), onProgress: progress.optional() };

export const OPTIMIZER_STATES = ["float32", "compact"] as const;
export const RECOMPUTE = ["auto", "none", "mlp", "layers"] as const;

/** Whether compact state can go with this dtype; for `refine`. */
export const compactFits = (options: { optimizerState?: string | undefined; dtype: string }) =>
  options.optimizerState !== "compact" || options.dtype === "bfloat16";
export const compactRefusal = {
  path: ["optimizerState"],
  error: '"compact" keeps the weights in bfloat16: it needs dtype "bfloat16"',
};

export const loadOptionsSchema = z
  .strictObject({
    device: z
      .string()
      .regex(/^(auto|cpu|cuda(:\d+)?)$/, { error: 'must be "auto", "cpu", "cuda" or "cuda:N"' })
      .default("auto"),
    dtype: z.enum(["float32", "bfloat16"]).default("float32"),
    threads: z.int().min(0).max(4096).default(0),
    memoryBudget: z.int().min(0).default(0),
    trainable: z.boolean().default(true),
    lora: loraSchema.optional(),
    adapter: z.string().min(1).optional(),
    base: z.string().min(1).optional(),
    optimizerState: z.enum(OPTIMIZER_STATES).default("float32"),
    recompute: z.enum(RECOMPUTE).default("auto"),
    profile: z.boolean().default(false),
    maxBatch: z.int().min(1).default(64),
    chatTemplate: z.string().min(1).optional(),
    templateVariables: z.record(z.string(), z.unknown()).optional(),
    ...watched,
  })
  .refine(compactFits, compactRefusal)
  .refine(({ optimizerState, lora, adapter }) => optimizerState !== "compact" || !(lora || adapter), {
    path: ["optimizerState"],
    error: '"compact" is for full training: an adapter has float32 state, and its base none',
  });

export const adapterOptionsSchema = z.strictObject({
  lora: loraSchema.optional(),
  adapter: z.string().min(1).optional(),
  trainable: z.boolean().default(true),
  signal: signalSchema.optional(),
});

export const mergeOptionsSchema = z.strictObject({
  dtype: z.enum(["float32", "bfloat16"]).optional(),
  probe: z.union([z.literal(false), z.custom<Sequence[]>(Array.isArray)]).optional(),
  signal: signalSchema.optional(),
});

export const logprobsOptionsSchema = z.strictObject({
  temperature: softmaxTemperature.default(1),
  tree: z.boolean().default(true),
  maxTokensPerMicroBatch: z.int().min(0).default(0),
  ...watched,
});

const lossParameter = z.number().optional(); // the loss checks whether it takes it, and its range

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
  klEstimator: z.enum(KL_ESTIMATORS).default("k3"),
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
  seed: z.int().min(0).default(0),
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
  stopTokens: z.array(z.int().min(0)).optional(),
  ...watched,
});

export const saveOptionsSchema = z.strictObject({
  dtype: z.enum(["float32", "bfloat16"]).optional(),
});

/** Loss and optimizer options as parsed. */
export type LossInput = Omit<z.output<typeof lossOptionsSchema>, "signal" | "onProgress">;
export type AdamwOptions = z.output<typeof optimizerSchema>;
