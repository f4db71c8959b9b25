/** The small parts that train and sft share. Pure. */
import { SwirlError } from "../errors/swirl-error.js";

/** State and action as one sequence. */
export function joinTokens(state: Int32Array, action: Int32Array): Int32Array {
  const whole = new Int32Array(state.length + action.length);
  whole.set(state);
  whole.set(action, state.length);
  return whole;
}

/** To a thousandth. */
export function secondsBetween(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}

export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

export function tooManySkipped(stage: string, skipped: number, allowed: number): SwirlError {
  return new SwirlError(
    "NUMERICS",
    `${stage}: ${skipped} updates were skipped for a loss or gradient that is not finite, ${allowed} are allowed`,
    { remedy: "lower lr or raise warmupSteps; in bfloat16, try float32. The weights are the last good ones" },
  );
}
