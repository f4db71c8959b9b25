/**
 * Learning rates over a run. A pure function of the step, so a resumed run only needs its step.
 *
 *   warm-up    lr · (step + 1) / warmupSteps                              for step < warmupSteps
 *   constant   lr
 *   linear     lr · (floor + (1 - floor) · (1 - progress))
 *   cosine     lr · (floor + (1 - floor) · ½ (1 + cos(π · progress)))
 *   progress   (step - warmupSteps) / (totalSteps - warmupSteps)
 */

export const SCHEDULES = ["constant", "linear", "cosine"] as const;
export type Schedule = (typeof SCHEDULES)[number];

export interface ScheduleOptions {
  lr: number;
  schedule: Schedule;
  warmupSteps: number;
  totalSteps: number;
  /** The share of `lr` that is left at the end of linear and cosine. */
  floor: number;
}

/** The learning rate of update `step`, 0 … totalSteps - 1. */
export function learningRate(step: number, options: ScheduleOptions): number {
  const { lr, schedule, warmupSteps, totalSteps, floor } = options;
  if (step < warmupSteps) return (lr * (step + 1)) / warmupSteps;
  if (schedule === "constant") return lr;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const shape = schedule === "linear" ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return lr * (floor + (1 - floor) * shape);
}
