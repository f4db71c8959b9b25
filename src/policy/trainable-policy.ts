/**
 * The primitives that a trainer is written with. `NativePolicy` implements them.
 *
 * Gradients accumulate over `forwardBackward` calls until `optimStep` spends them or `zeroGradients` drops them. After
 * `optimStep` they can still be read, and the next `forwardBackward` or `writeParameter(name, values, "gradient")`
 * starts from zero. Sampling and scoring between the two calls are allowed: both see the weights as they were before
 * the step, and leave the gradients alone.
 */
import type { ParameterInfo, TensorKind } from "../native/addon.js";
import type { Sequence, TrainSequence } from "./sequences.js";
import type { GradientMetrics, StepMetrics, UpdateMetrics } from "./training-metrics.js";
import type { LossOptions, OptimizerOptions, UpdateOptions } from "./training-options.js";

export interface TrainablePolicy {
  readonly trainable: boolean;

  /**
   * Adds the gradient of the batch's loss to the gradients. One batch in several calls gives the same gradient as in
   * one call where `denominators` holds the counts of the whole batch.
   *
   * Rejects with code "INPUT" for a batch or a loss function's result that cannot be used, naming index and field;
   * gradients are then as before. An abort in the middle of a call leaves gradients that are incomplete: where there
   * were none before, they are dropped; otherwise `optimStep` and `forwardBackward` reject until `zeroGradients`.
   */
  forwardBackward(batch: readonly TrainSequence[], options?: LossOptions): Promise<GradientMetrics>;

  /**
   * One step of AdamW on the accumulated gradients. Where the loss, a gradient or a weight after the step is not
   * finite, nothing changes and the result says `skipped: true` and why.
   *
   * Rejects with code "INPUT" without gradients, and with code "CONFIG" for options that cannot be used.
   */
  optimStep(options?: OptimizerOptions): Promise<StepMetrics>;

  /** Drops the accumulated gradients. */
  zeroGradients(): Promise<void>;

  /** `zeroGradients`, `forwardBackward` and `optimStep` in one, equal to the bit. */
  update(batch: readonly TrainSequence[], options?: UpdateOptions): Promise<UpdateMetrics>;

  /** log p(tokens[t] | tokens[<t]) for t = actionStart … end, one array per sequence. */
  logprobs(sequences: readonly Sequence[], options?: { temperature?: number }): Promise<Float32Array[]>;

  parameters(): ParameterInfo[];

  /** Row-major float32 copy of a parameter, its gradient or one of its two moments. */
  readParameter(name: string, kind?: TensorKind): Promise<Float32Array>;

  /**
   * Replaces a parameter (the default), its gradient or one of its moments. `values`: as many as its shape says,
   * row-major. Rejects for a number that is not finite in float32.
   */
  writeParameter(name: string, values: ArrayLike<number>, kind?: TensorKind): Promise<void>;
}
