/**
 * Overlong reward shaping (DAPO, arXiv 2503.14476, eq. 13): an action that runs into the last `buffer` tokens of its
 * limit loses reward, up to `penalty` at the limit. verl: overlong_buffer.{len, penalty_factor}.
 *
 *   min(-(length - (limit - buffer)) / buffer · penalty, 0)
 */
import { z } from "zod";

/** Overlong reward shaping. */
export interface OverlongOptions {
  /** Tokens before maxNewTokens in which the reward falls. */
  buffer: number;
  /** Reward lost at the limit, above 0. @default 1 */
  penalty?: number | undefined;
}

export const overlongSchema = z.strictObject({
  /** Tokens before the limit in which the reward falls. */
  buffer: z.int().min(1),
  /** Reward lost at the limit. */
  penalty: z.number().positive().default(1),
});

export function overlongPenalty(
  length: number,
  limit: number,
  { buffer, penalty }: z.output<typeof overlongSchema>,
): number {
  const excess = length - (limit - buffer);
  return excess <= 0 ? 0 : (-excess / buffer) * penalty;
}
