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

/**
 * The primitives of a trainer. {@link NativePolicy} implements them.
 *
 * @example
 * await policy.forwardBackward(batch, { loss: "reinforce" });
 * const { gradNorm } = await policy.optimStep({ lr: 1e-6 });
 */
export interface TrainablePolicy {
  /** Whether the policy was loaded with gradients and optimizer state. */
  readonly trainable: boolean;

  /**
   * Adds the gradient of the batch's loss to the gradients. One batch in several calls gives the same gradient as in
   * one call where `denominators` holds the counts of the whole batch.
   *
   * An abort in the middle of a call leaves incomplete gradients. If there were none before, they are dropped; otherwise
   * `optimStep` and `forwardBackward` reject until `zeroGradients`.
   *
   * @throws SwirlError INPUT for a batch or a loss function's result that cannot be used, naming index and field; the
   * gradients are then as before. ABORTED.
   */
  forwardBackward(batch: readonly TrainSequence[], options?: LossOptions): Promise<GradientMetrics>;

  /**
   * One step of AdamW on the accumulated gradients. If the loss, a gradient or a weight after the step is not finite,
   * nothing changes: the result has `skipped: true` and the reason.
   *
   * @throws SwirlError INPUT without gradients, CONFIG for bad options.
   */
  optimStep(options?: OptimizerOptions): Promise<StepMetrics>;

  /** Drops the accumulated gradients. */
  zeroGradients(): Promise<void>;

  /** `zeroGradients`, `forwardBackward` and `optimStep` in one call, with bit-identical results. */
  update(batch: readonly TrainSequence[], options?: UpdateOptions): Promise<UpdateMetrics>;

  /** log p(tokens[t] | tokens[<t]) for t = actionStart … end, one array per sequence. */
  logprobs(sequences: readonly Sequence[], options?: { temperature?: number }): Promise<Float32Array[]>;

  /** Names and shapes of all parameters, in the order of the checkpoint. */
  parameters(): ParameterInfo[];

  /** Row-major float32 copy of a parameter, its gradient or one of its two moments. */
  readParameter(name: string, kind?: TensorKind): Promise<Float32Array>;

  /**
   * Replaces a parameter (the default), its gradient or one of its moments.
   *
   * @param values Row-major, as many as the shape has.
   * @throws SwirlError for another number of values, or a value that is not finite in float32.
   */
  writeParameter(name: string, values: ArrayLike<number>, kind?: TensorKind): Promise<void>;
}
