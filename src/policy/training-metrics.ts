/** What the calls that train report. */
import type { NativeGradientMetrics, NativeStepMetrics } from "../native/addon.js";

/** What one `forwardBackward` did; see NativeGradientMetrics for the other fields. */
export interface GradientMetrics extends NativeGradientMetrics {
  /**
   * Forward passes beside the one that belongs to the backward pass: 0 for losses that the engine computes itself, and
   * where the log-probs that `generate` or `act` recorded are still those of the weights; else 1.
   */
  extraForwards: number;
}

/** What one `optimStep` did; see NativeStepMetrics for the other fields. */
export interface StepMetrics extends Omit<NativeStepMetrics, "groupGradNorms"> {
  /** Gradient norm by parameter group, before clipping; "default" is what no group matched. Frozen ones are absent. */
  gradNorms: Record<string, number>;
}

/** What one `update` did. */
export type UpdateMetrics = GradientMetrics & StepMetrics;
