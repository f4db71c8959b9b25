/** Metrics of the calls that train. */
import type { NativeGradientMetrics, NativeStepMetrics } from "../native/addon.js";

/** Metrics of one `forwardBackward`. */
export interface GradientMetrics extends NativeGradientMetrics {
  /**
   * Forward passes in addition to the one of the backward pass: 0 for losses that the engine computes, and when the
   * log-probs recorded by `generate` or `act` still match the weights; else 1.
   */
  extraForwards: number;
}

/** Metrics of one `optimStep`. */
export interface StepMetrics extends Omit<NativeStepMetrics, "groupGradNorms"> {
  /** Gradient norm by parameter group, before clipping. "default" holds what no group matched; frozen groups are absent. */
  gradNorms: Record<string, number>;
}

/** Metrics of one `update`: those of its `forwardBackward` and of its `optimStep`. */
export type UpdateMetrics = GradientMetrics & StepMetrics;
