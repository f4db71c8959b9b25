/** Options that train and sft share: the optimizer, its schedule, memory, checkpoints and logs. Units in the names. */
import { z } from "zod";
import { positiveFloat32, zeroOrFloat32 } from "../options/float32.js";
import type { Tracker, TrackerName, TrackingOptions } from "../trackers/tracker.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { SCHEDULES } from "./schedules.js";

/** What `train` and `sft` share. */
export interface OptimizerRunOptions {
  /** Learning rate after the warm-up. */
  lr?: number | undefined;
  /** How the learning rate changes over the run. @default "constant" */
  schedule?: (typeof SCHEDULES)[number] | undefined;
  /** Updates of linear warm-up. @default 0 */
  warmupSteps?: number | undefined;
  /** Share of `lr` left at the end of a linear or cosine schedule, 0 … 1. @default 0 */
  lrFloor?: number | undefined;
  /** AdamW's decay of the first moment, 0 … below 1. @default 0.9 */
  beta1?: number | undefined;
  /** AdamW's decay of the second moment, 0 … below 1. @default 0.999 */
  beta2?: number | undefined;
  /** AdamW's ε; above 0 in float32. @default 1e-8 */
  eps?: number | undefined;
  /** AdamW's decoupled weight decay, of every parameter. @default 0 */
  weightDecay?: number | undefined;
  /** Global gradient norm that gradients are clipped to; 0 = no clipping. @default 1 */
  maxGradNorm?: number | undefined;
  /**
   * Maximum tree rows per micro-batch, excluding shared ancestors; 0 = 1,024 on the CPU, 8,192 on a GPU. The gradient
   * does not depend on it.
   * @default 0
   */
  maxTokensPerMicroBatch?: number | undefined;
  /** Compute shared prefixes once. false is slower and gives the same gradient. @default true */
  tree?: boolean | undefined;
  /** Seed of everything random: order of the data, actions, rounding of compact optimizer state. @default 0 */
  seed?: number | undefined;
  /** Updates that may be skipped because a loss, gradient or weight is not finite, before the run stops. @default 3 */
  maxSkippedUpdates?: number | undefined;
  /** Where and how often checkpoints are saved. Without them a stopped run starts again. */
  checkpoints?: CheckpointInput | undefined;
  /** JSONL file that gets one record per update. */
  metricsFile?: string | undefined;
  /** Trackers that show the metrics as well: by name, or your own objects. See docs/trackers.md. */
  trackers?: (TrackerName | Tracker)[] | undefined;
  /** What the trackers are told about this run. */
  tracking?: TrackingOptions | undefined;
  /** Receives notes that need no action: a checkpoint that was skipped, a skipped update. */
  onNote?: ((note: string) => void) | undefined;
  /** Stops the run at the next safe point; the call rejects with code ABORTED. */
  signal?: AbortSignal | undefined;
}

/** Checkpoints of a run: a Hugging Face folder each, with the state of the optimizer. */
export interface CheckpointInput {
  /** Folder of the checkpoints; `latest` in it is the newest. */
  folder: string;
  /** Updates between checkpoints. One is always saved at the end. @default 20 */
  every?: number | undefined;
  /** Checkpoints kept, the newest included. @default 2 */
  keep?: number | undefined;
  /**
   * Type of the stored weights; each tensor keeps its own by default. float32 master weights are stored with the
   * optimizer state.
   */
  dtype?: "float32" | "bfloat16" | undefined;
}

export const optimizerShape = {
  /** Peak learning rate of AdamW. */
  lr: positiveFloat32.default(1e-6),
  schedule: z.enum(SCHEDULES).default("constant"),
  /** Updates of linear warm-up. */
  warmupSteps: z.int().min(0).default(0),
  /** Share of `lr` left at the end of a linear or cosine schedule. */
  lrFloor: z.number().min(0).max(1).default(0),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  eps: positiveFloat32.default(1e-8),
  weightDecay: z.number().min(0).default(0),
  /** Global norm that gradients are clipped to; 0 = no clipping. */
  maxGradNorm: zeroOrFloat32.default(1),
  /**
   * Maximum tree rows per micro-batch, excluding shared ancestors; 0 = 1,024 on the CPU, 8,192 on a GPU. The gradient
   * does not depend on it.
   */
  maxTokensPerMicroBatch: z.int().min(0).default(0),
  /** Share prefixes in one token tree. false is slower and gives the same gradient. */
  tree: z.boolean().default(true),
  seed: z.int().min(0).default(0),
  /** Updates that may be skipped for a loss or gradient that is not finite, before the run stops. */
  maxSkippedUpdates: z.int().min(0).default(3),
};

/** The options of AdamW among them, but for the learning rate of the step. */
export function adamwOptions(options: {
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  maxGradNorm: number;
  seed: number;
}) {
  const { beta1, beta2, eps, weightDecay, maxGradNorm, seed } = options;
  return { beta1, beta2, eps, weightDecay, maxGradNorm, seed };
}

export const trajectoriesSchema = z.custom<Iterable<Trajectory> | AsyncIterable<Trajectory>>(
  (value) =>
    typeof value === "object" &&
    value !== null &&
    (Symbol.iterator in value || Symbol.asyncIterator in value),
  { message: "must be an array or an (async) iterable of trajectories" },
);

export const checkpointsSchema = z.strictObject({
  folder: z.string().min(1),
  /** Updates between checkpoints; one is always saved at the end. */
  every: z.int().min(1).default(20),
  /** Checkpoints kept, the newest included. */
  keep: z.int().min(1).default(2),
  /**
   * Type of the stored weights; each tensor keeps its own by default. float32 master weights are stored with the
   * optimizer state.
   */
  dtype: z.enum(["float32", "bfloat16"]).optional(),
});

/** Options that a resumed run may change: they do not change what is computed. */
export const FREE_KEYS = new Set([
  "maxTokensPerMicroBatch",
  "tree",
  "judgeConcurrency",
  "maxSkippedUpdates",
  "checkpoints",
  "metricsFile",
  "trackers",
  "tracking",
  "actionsFile",
  "validate",
  "onStep",
  "onProgress",
  "onNote",
  "signal",
  "policy",
  "reference",
  "judge",
  "reward",
  "trajectories",
]);

export type CheckpointOptions = z.output<typeof checkpointsSchema>;
