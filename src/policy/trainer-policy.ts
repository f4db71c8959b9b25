/**
 * What `train` and `sft` need of the policy they train: it samples, scores, learns, and its state can be saved. NativePolicy
 * has it in this process, TinkerPolicy on other machines.
 */
import { z } from "zod";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Policy } from "./policy.js";
import type { Sequence, TrainSequence } from "./sequences.js";
import type { UpdateMetrics } from "./training-metrics.js";
import type { UpdateOptions } from "./training-options.js";

/** Scores sequences: the reference of a KL penalty. */
export interface SequenceScorer {
  /** Names the weights in records. */
  readonly id: string;
  /** log p(tokens[t] | tokens[<t]) for t = actionStart … end, one array per sequence. */
  logprobs(
    sequences: readonly Sequence[],
    options?: { temperature?: number; signal?: AbortSignal },
  ): Promise<Float32Array[]>;
  /** Frees what it holds. */
  dispose(): Promise<void>;
}

/** Metrics of an update that every trainer has. What a trainer cannot know is absent. */
export interface TrainerMetrics
  extends Pick<
    UpdateMetrics,
    "loss" | "kl" | "clipRatio" | "tokens" | "treeTokens" | "skipped" | "skipReason"
  > {
  /** Mean entropy over scored tokens, in nats. */
  entropy?: number;
  /** Global gradient norm before clipping. */
  gradNorm?: number;
}

/** What a run asks of its trainer, beyond what every trainer can do. */
export interface TrainingRequirements {
  /** Of the softmax. */
  temperature: number;
  /** Of an entropy bonus. */
  entropyWeight: number;
  /** 0 = no clipping. */
  maxGradNorm: number;
  /** Of AdamW. */
  beta2: number;
}

/** A policy that `train` and `sft` can train. */
export interface TrainerPolicy extends Policy, SequenceScorer {
  /** Whether the weights can be trained. */
  readonly trainable: boolean;
  /** Whether these weights compute what `base` computes: those of a new adapter that nothing has changed yet. */
  readonly isBase: boolean;
  /** The base with every adapter off. */
  readonly base: SequenceScorer;
  /** Name of the adapter that is trained; undefined = all weights. */
  readonly adapterName: string | undefined;
  /** The model's tokenizer. */
  readonly tokenizer: Tokenizer;
  /** Name of the file in a checkpoint that holds what `saveOptimizer` writes. @default "optimizer.safetensors" */
  readonly stateFile?: string;
  /** Gradient of the batch's loss and one optimizer step: whole, or an error. */
  update(batch: readonly TrainSequence[], options?: UpdateOptions): Promise<TrainerMetrics>;
  /** Throws CONFIG for options of a run that this trainer cannot follow. */
  checkTraining?(options: TrainingRequirements): void;
  /** Writes the weights, or where they are, into a folder. */
  save(dir: string, options?: { dtype?: "float32" | "bfloat16" }): Promise<void>;
  /** With the folder that `save` wrote, all that an exact resume needs. */
  saveOptimizer(file: string): Promise<void>;
  /** Restores what saveOptimizer saved. */
  loadOptimizer(file: string): Promise<void>;
}

const has = (value: unknown, methods: readonly string[]) =>
  methods.every(
    (name) => typeof (value as Record<string, unknown> | null | undefined)?.[name] === "function",
  );

export const trainerPolicySchema = z.custom<TrainerPolicy>((value) => has(value, ["update", "logprobs"]), {
  message:
    "must be a policy that can be trained (Policy.load(dir), or Policy.connect with a trainer): an endpoint cannot be",
});

export const scorerSchema = z.custom<SequenceScorer>((value) => has(value, ["logprobs"]), {
  message: "must be a policy with log-probs (Policy.load(dir)): a chat endpoint has none",
});
