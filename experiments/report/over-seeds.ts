/**
 * Means over seeds with Student's 95 % interval: seeds, not questions, are what is drawn. Differences are paired, one
 * for each seed, for both sides of it answer the same questions.
 */
export interface SeedMean {
  value: number;
  low: number;
  high: number;
  n: number;
}

/** Two-sided 95 % quantiles of Student's t for 1 … 30 degrees of freedom. */
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** With a single seed nothing is known about the spread: the interval is the whole line. */
export function overSeeds(values: readonly number[]): SeedMean {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  if (n < 2) return { value, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, n };
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1));
  const half = ((T[n - 2] ?? 1.96) * deviation) / Math.sqrt(n);
  return { value, low: value - half, high: value + half, n };
}
