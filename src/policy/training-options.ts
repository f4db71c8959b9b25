/**
 * The options of the calls that train, written out for editors; native-options.ts holds the schemas that check them.
 */
import type { Aggregation } from "../losses/aggregation.js";
import type { CorrectionOptions } from "../losses/importance-correction.js";
import type { KlEstimator } from "../losses/kl.js";
import type { LossFunction } from "../losses/loss-function.js";
import type { LossName, LossParameters } from "../losses/named-losses.js";
import type { WatchOptions } from "./native-options.js";

/** What is minimized: loss(sequence) aggregated, + klWeight · KL - entropyWeight · entropy, aggregated the same way. */
export interface TermOptions extends LossParameters {
  /**
   * A built-in loss by name, with the options that loss takes (clipLow, …), or a function of one sequence's log-probs;
   * see LossFunction. "reinforce" is -A·log π, "ppo-clip" -min(r·A, clip(r)·A) with r = π / π_behavior. The engine
   * computes these two itself, and grpo, dr_grpo and dapo, which are ppo-clip aggregated in other ways.
   * @default "reinforce"
   */
  loss?: LossName | LossFunction;
  /** Weights for actions that another engine sampled; reads samplerLogprobs and behaviorLogprobs. */
  correction?: CorrectionOptions;
  /**
   * How the losses of tokens become one number. N: sequences, T: the sum of a sequence's weights, ΣT: of all.
   * "sequence-sum": 1/N, an action counts as one decision whatever its length; "sequence-mean": 1/(N·T);
   * "token-mean": 1/ΣT; "fixed-length": 1/(N·fixedLength).
   * @default the one of the named loss; "sequence-sum" for "reinforce", "ppo-clip" and functions
   */
  aggregation?: Aggregation;
  /** Tokens that "fixed-length" divides by, usually the longest completion allowed. No other aggregation takes it. */
  fixedLength?: number;
  /**
   * N and ΣT where the batch is one part of a larger one, so that the parts' gradients add up to the whole's.
   * `sequences` is for every aggregation but "token-mean", `tokens` (the sum of all weights) for that one.
   * @default the batch's own counts
   */
  denominators?: {
    /** N: sequences of the whole batch. */
    sequences?: number;
    /** ΣT: sum of all weights of the whole batch. */
    tokens?: number;
  };
  /** Weight of the KL penalty to the reference policy; above 0 it needs referenceLogprobs. @default 0 */
  klWeight?: number;
  /**
   * Schulman's estimators with d = log π - log π_ref: k1 = d, k2 = d²/2, k3 = exp(-d) - 1 + d. "k3+" reports k3 and
   * has the gradient of k2.
   * @default "k3"
   */
  klEstimator?: KlEstimator;
  /** Weight of the entropy bonus: the mean entropy of each scored token's distribution, in nats. @default 0 */
  entropyWeight?: number;
  /** Logits are divided by it before the softmax. @default 1 */
  temperature?: number;
  /** false computes every sequence by itself: the same numbers, no shared prefixes. @default true */
  tree?: boolean;
  /** Maximum rows per micro-batch, shared ancestors excluded; 0 = 1,024 on the CPU, 8,192 on a GPU. @default 0 */
  maxTokensPerMicroBatch?: number;
}

/** Options of `forwardBackward`. */
export interface LossOptions extends TermOptions, WatchOptions {}

/** Parameters that are trained differently from the rest. */
export interface ParameterGroup {
  /** Name in `gradNorms`. @default the pattern */
  name?: string;
  /**
   * Parameter names, `*` standing for any characters: "model.layers.0.*", "*norm*". The first group that matches a
   * parameter has it. A pattern that matches nothing is an error.
   */
  match: string | readonly string[];
  /** Learning rate of the group. @default the optimizer's */
  lr?: number;
  /** Factor on the optimizer's learning rate, which follows its schedule. Not together with `lr`. @default 1 */
  lrScale?: number;
  /** Weight decay of the group, at least 0. Default: the optimizer's, where `decay` allows it. */
  weightDecay?: number;
  /** true: weights and moments stay as they are, and the gradient is in no norm. @default false */
  frozen?: boolean;
}

/** AdamW as torch.optim.AdamW defines it. */
export interface OptimizerOptions {
  /** 0, or a normal float32. @default 1e-6, as in TRL for RL */
  lr?: number;
  /** Decay rate of the first moment, at least 0 and below 1. @default 0.9 */
  beta1?: number;
  /** Decay rate of the second moment, at least 0 and below 1. @default 0.999 */
  beta2?: number;
  /** Above 0 in float32. @default 1e-8 */
  eps?: number;
  /** Decoupled; lr · weightDecay is below 1. @default 0 */
  weightDecay?: number;
  /** "matrices" leaves norms and biases without decay. @default "all", as torch */
  decay?: "all" | "matrices";
  /** Global gradient norm that gradients are scaled down to; 0 = no clipping. @default 1 */
  maxGradNorm?: number;
  /**
   * Seed of the stochastic rounding of compact optimizer state; an integer, at least 0. Has no effect on float32.
   * @default 0
   */
  seed?: number;
  /** Patterns of parameters that are not trained: short for groups with `frozen: true`. */
  freeze?: readonly string[];
  /** Parameters that are trained differently from the rest. @default [] */
  groups?: readonly ParameterGroup[];
}

/** Options of `update`: those of `forwardBackward`, and of the optimizer step. */
export interface UpdateOptions extends LossOptions {
  /** The optimizer step. */
  optimizer?: OptimizerOptions;
}
