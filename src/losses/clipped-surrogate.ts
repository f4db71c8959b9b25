/**
 * The clipped surrogate of PPO (Schulman et al. 2017, eq. 7), with an upper bound on the ratio where the advantage is
 * negative (dual clip, Ye et al. 2020):
 *
 *   -min(min(r, c)·A, clip(r, 1 - low, 1 + high)·A)
 *
 * At a bound itself the derivative is that of the unclipped side, as in torch.
 */
import { z } from "zod";

export const clipShape = {
  /** The ratio is kept at or above 1 - clipLow where the advantage is negative. */
  clipLow: z.number().positive().lt(1),
  /** The ratio is kept at or below 1 + clipHigh where the advantage is positive. */
  clipHigh: z.number().positive(),
  /** c: upper bound of the ratio where the advantage is negative; above 1 + clipHigh. Left out: none. */
  dualClip: z.number().gt(1).optional(),
};

export interface Clip {
  clipLow: number;
  clipHigh: number;
  dualClip?: number | undefined;
}

/** dualClip must be above the clip range, or it would narrow that range. */
export function dualClipAbove({ clipHigh, dualClip }: Clip): boolean {
  return dualClip === undefined || dualClip > 1 + clipHigh;
}

export const dualClipProblem = {
  path: ["dualClip"],
  error: "must be above 1 + clipHigh (TRL's delta, verl's clip_ratio_c)",
};

/** The loss of one token, and its derivative by log r: -A·r, or 0 where the ratio is clipped. */
export function clippedSurrogate(
  ratio: number,
  advantage: number,
  { clipLow, clipHigh, dualClip = Number.POSITIVE_INFINITY }: Clip,
): { value: number; derivative: number } {
  if (advantage === 0) return { value: 0, derivative: 0 };
  const [low, high] = advantage > 0 ? [0, 1 + clipHigh] : [1 - clipLow, dualClip];
  const kept = Math.min(Math.max(ratio, low), high);
  return { value: -kept * advantage, derivative: kept === ratio ? -ratio * advantage : 0 };
}
