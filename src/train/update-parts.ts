/** The small parts that train and sft share. Pure. */
import { SwirlError } from "../errors/swirl-error.js";

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
