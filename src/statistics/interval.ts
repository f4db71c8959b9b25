/**
 * 95 % confidence intervals: of a share (Wilson), of a mean (normal), and of the difference between two systems on the
 * same questions (paired bootstrap). Pure; the bootstrap is a function of its seed.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { philox } from "../random/counter-random.js";

export interface Interval {
  low: number;
  high: number;
}

/** Two-sided 95 % quantile of the normal distribution. */
const Z = 1.959963984540054;
/** Keeps the bootstrap's random numbers apart from those of training, which use streams from 1 up. */
const STREAM = 0xb0075;

/** Wilson, "Probable inference" (1927), equation without continuity correction. [0, 1] when nothing was tried. */
export function wilsonInterval(successes: number, trials: number): Interval {
  if (!Number.isInteger(successes) || !Number.isInteger(trials) || successes < 0 || successes > trials) {
    throw new SwirlError("INPUT", `${successes} successes of ${trials} trials are no counts`);
  }
  if (trials === 0) return { low: 0, high: 1 };
  const share = successes / trials;
  const denominator = 1 + Z ** 2 / trials;
  const center = (share + Z ** 2 / (2 * trials)) / denominator;
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + Z ** 2 / (4 * trials ** 2))) / denominator;
  // At 0 and 1 the bound is exact; rounding must not move it inwards.
  return {
    low: successes === 0 ? 0 : Math.max(0, center - half),
    high: successes === trials ? 1 : Math.min(1, center + half),
  };
}

/** Mean ± z·s/√n with the sample's standard deviation; the whole line for fewer than two values. */
export function meanInterval(values: readonly number[]): Interval & { mean: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = Z * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half };
}

export interface PairedBootstrapOptions {
  seed?: number; // default 0
  resamples?: number; // default 10,000
}

/**
 * Difference of means, after − before, with its percentile interval over resampled questions. `before[i]` and
 * `after[i]` are the scores of the same question. Throws INPUT when they do not pair up.
 */
export function pairedBootstrap(
  before: readonly number[],
  after: readonly number[],
  options: PairedBootstrapOptions = {},
): Interval & { difference: number } {
  const { seed = 0, resamples = 10_000 } = options;
  const n = before.length;
  if (n === 0 || n !== after.length) {
    throw new SwirlError("INPUT", `${n} and ${after.length} scores do not pair up`, {
      remedy: "score both systems on the same questions, in the same order",
    });
  }
  if (!Number.isInteger(resamples) || resamples < 40) {
    throw new SwirlError("INPUT", `${resamples} resamples do not give a 95 % interval`, {
      remedy: "use 1,000 or more",
      details: { field: "resamples" },
    });
  }
  const differences = Float64Array.from(after, (value, i) => value - before[i]!);
  const difference = differences.reduce((sum, value) => sum + value, 0) / n;
  const means = new Float64Array(resamples);
  for (let sample = 0; sample < resamples; sample++) means[sample] = resampledMean(differences, sample, seed);
  means.sort();
  return { difference, low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

function resampledMean(values: Float64Array, sample: number, seed: number): number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  let sum = 0;
  for (let at = 0; at < values.length; at += 4) {
    const words = philox([at, sample, STREAM, 0], key);
    for (let k = 0; k < Math.min(4, values.length - at); k++) {
      sum += values[Math.floor((words[k]! / 2 ** 32) * values.length)]!;
    }
  }
  return sum / values.length;
}

/** Linear interpolation between order statistics. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const part = at - low;
  return sorted[low]! * (1 - part) + sorted[Math.min(low + 1, sorted.length - 1)]! * part;
}
