/**
 * 95 % confidence intervals: of a share (Wilson), of a mean (normal), and of the difference between two systems on the
 * same questions (paired bootstrap). Pure; the bootstrap is a function of its seed.
 */

import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { philox } from "../random/counter-random.js";

/** A two-sided 95 % confidence interval. */
export interface Interval {
  /** Lower bound. */
  low: number;
  /** Upper bound. */
  high: number;
}

/** A mean with its interval. */
export interface MeanInterval extends Interval {
  /** The sample mean. NaN for no values. */
  mean: number;
}

/** A difference of means with its interval. */
export interface DifferenceInterval extends Interval {
  /** Mean of `after` − mean of `before`. */
  difference: number;
}

/** Two-sided 95 % quantile of the normal distribution. */
const Z = 1.959963984540054;
/** Keeps the bootstrap's random numbers apart from those of training, which use streams from 1 up. */
const STREAM = 0xb0075;

/**
 * Wilson's interval of a share (Wilson 1927, "Probable inference", without continuity correction). [0, 1] for 0 trials.
 *
 * @throws SwirlError INPUT when the counts are not integers with 0 ≤ successes ≤ trials.
 * @example
 * wilsonInterval(8, 10); // { low: 0.490, high: 0.943 }
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  return ofArguments("wilsonInterval", "(successes, trials)", () => {
    if (!Number.isInteger(successes) || !Number.isInteger(trials) || successes < 0 || successes > trials) {
      throw new SwirlError("INPUT", `${successes} successes of ${trials} trials are not counts`);
    }
    return wilsonOf(trials === 0 ? 0 : successes / trials, trials);
  });
}

/** The same for an effective number of trials, which may be fractional. */
function wilsonOf(share: number, trials: number): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const denominator = 1 + Z ** 2 / trials;
  const center = (share + Z ** 2 / (2 * trials)) / denominator;
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + Z ** 2 / (4 * trials ** 2))) / denominator;
  // At 0 and 1 the bound is exact; rounding must not move it inwards.
  return {
    low: share === 0 ? 0 : Math.max(0, center - half),
    high: share === 1 ? 1 : Math.min(1, center + half),
  };
}

/**
 * A share over groups whose members are not independent (the steps of a trajectory), or a mean of scores from 0 to 1
 * (groups of one). Wilson's interval with the effective number of trials p(1 - p)/v, where v is the linearized variance
 * of the ratio over groups, reduced by (z/t)^2 for the degrees of freedom (Korn and Graubard 1998, "Confidence
 * intervals for proportions with small expected number of positive counts"). Where no variance is seen, as in 0 of 8,
 * every group counts as one trial: the interval never has width 0. [0, 1] when nothing was tried.
 */
export function groupedShareInterval(
  groups: readonly { successes: number; trials: number }[],
): Interval & { share: number } {
  const tried = groups.filter((group) => group.trials > 0);
  const count = tried.length;
  const trials = tried.reduce((sum, group) => sum + group.trials, 0);
  const share = tried.reduce((sum, group) => sum + group.successes, 0) / trials;
  if (count === 0) return { share, low: 0, high: 1 };
  const residuals = tried.map((group) => ((group.successes - share * group.trials) * count) / trials);
  const variance =
    count < 2 ? 0 : residuals.reduce((sum, residual) => sum + residual ** 2, 0) / (count - 1) / count;
  // Equal groups leave a variance that is 0 up to rounding.
  const seen = variance > 1e-12 && share > 0 && share < 1;
  const effective = seen
    ? Math.min(trials, ((share * (1 - share)) / variance) * (Z / studentQuantile(count - 1)) ** 2)
    : count;
  return { share, ...wilsonOf(share, effective) };
}

/** Two-sided 95 % quantile of Student's t. Exact for 1 and 2 degrees of freedom, else Cornish-Fisher (within 0.1 %). */
function studentQuantile(freedom: number): number {
  if (freedom === 1) return Math.tan(Math.PI * 0.475);
  if (freedom === 2) return 0.95 * Math.sqrt(2 / (1 - 0.95 ** 2));
  const [z, z3, z5, z7] = [Z, Z ** 3, Z ** 5, Z ** 7];
  return (
    z +
    (z3 + z) / (4 * freedom) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom ** 3)
  );
}

/**
 * Normal interval of a mean: mean ± z·s/√n with the sample's standard deviation. [-Infinity, Infinity] for fewer than
 * two values.
 */
export function meanInterval(values: readonly number[]): MeanInterval {
  return ofArguments("meanInterval", "numbers", () => {
    const n = values.length;
    const mean = values.reduce((sum, value) => sum + value, 0) / n;
    if (n < 2) return { mean, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
    const half = Z * Math.sqrt(variance / n);
    return { mean, low: mean - half, high: mean + half };
  });
}

/** Options of {@link pairedBootstrap}. */
export interface PairedBootstrapOptions {
  /**
   * Seed of the resampling, an integer.
   * @default 0
   */
  seed?: number;
  /**
   * Number of resamples, at least 40.
   * @default 10000
   */
  resamples?: number;
}

/**
 * Difference of means, after − before, with its percentile interval over resampled questions. `before[i]` and
 * `after[i]` are the scores of the same question.
 *
 * A bootstrap of few pairs sees no more spread than they show: none at all where both systems fail all 8 questions. So
 * where every score is 0 or 1, the interval holds at least the adjusted Wald interval of Bonett and Price (2012,
 * "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data").
 *
 * @throws SwirlError INPUT when the scores do not pair up, or for fewer than 40 resamples.
 * @example
 * pairedBootstrap([0, 0, 1, 1], [1, 0, 1, 1]).difference; // 0.25
 */
export function pairedBootstrap(
  before: readonly number[],
  after: readonly number[],
  options: PairedBootstrapOptions = {},
): DifferenceInterval {
  return ofArguments("pairedBootstrap", "(before: numbers, after: as many numbers)", () => {
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
    for (let sample = 0; sample < resamples; sample++)
      means[sample] = resampledMean(differences, sample, seed);
    means.sort();
    const seen = { low: quantile(means, 0.025), high: quantile(means, 0.975) };
    const isBinary = [...before, ...after].every((score) => score === 0 || score === 1);
    if (!isBinary) return { difference, ...seen };
    const least = adjustedWald(differences);
    return { difference, low: Math.min(seen.low, least.low), high: Math.max(seen.high, least.high) };
  });
}

/** Bonett and Price: adds one pair of each kind that differs. `differences` are -1, 0 or 1. */
function adjustedWald(differences: Float64Array): Interval {
  const pairs = differences.length + 2;
  const lost = (differences.filter((value) => value < 0).length + 1) / pairs;
  const won = (differences.filter((value) => value > 0).length + 1) / pairs;
  const half = Z * Math.sqrt((lost + won - (won - lost) ** 2) / pairs);
  return { low: Math.max(-1, won - lost - half), high: Math.min(1, won - lost + half) };
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
