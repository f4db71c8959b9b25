/** Options of a new adapter, with their defaults. */
import { z } from "zod";

/**
 * A new low-rank adapter: y = W·x + scale · B·(A·x), W frozen, A random, B zero, so that it starts out equal to the
 * base.
 */
export interface LoraOptions {
  /** Rows of A, 1 … the smaller side of each matrix. @default 8 */
  rank?: number | undefined;
  /** The adapter's product is multiplied by alpha / rank, or by alpha / √rank with `rsLora`; above 0. @default 16 */
  alpha?: number | undefined;
  /**
   * Which matrices it changes: "all-linear" (all but the output embedding), names or their ends (["q_proj", "v_proj"]),
   * or a regular expression that a whole name must match (".*layers\\.[01]\\..*_proj"). A name that matches no matrix
   * is an error.
   * @default "all-linear"
   */
  targetModules?: string | string[] | undefined;
  /** Divides by √rank instead of rank, so that high ranks learn as fast as low ones. @default false */
  rsLora?: boolean | undefined;
  /**
   * Ranks of single matrices, by the end of a name or a regular expression; the first that matches counts. @default {}
   */
  rankPattern?: Record<string, number> | undefined;
  /** Alphas of single matrices, in the same way. @default {} */
  alphaPattern?: Record<string, number> | undefined;
  /** Seed of A: the same seed gives a matrix the same rows, whichever other matrices have an adapter. @default 0 */
  seed?: number | undefined;
}

/** Well above what any model's matrices allow. */
const rank = z
  .int()
  .min(1)
  .max(1 << 16);
const alpha = z.number().positive().max(1e6);
const name = z.string().min(1);

export const loraSchema = z.strictObject({
  rank: rank.default(8),
  alpha: alpha.default(16),
  targetModules: z.union([name, z.array(name).min(1)]).default("all-linear"),
  rsLora: z.boolean().default(false),
  rankPattern: z.record(name, rank).default({}),
  alphaPattern: z.record(name, alpha).default({}),
  seed: z.int().min(0).default(0),
});

export type LoraSettings = z.output<typeof loraSchema>;
