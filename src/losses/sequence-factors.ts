/**
 * The factor of each sequence under an aggregation (aggregation.ts), as the native engine has it:
 *
 *   sequence-sum 1/N      sequence-mean 1/(N·Tᵢ)      token-mean 1/ΣT      fixed-length 1/(N·L)
 *
 * N: sequences, masked ones included; Tᵢ: the sum of a sequence's weights. 1/0 counts as 0.
 */
import type { Aggregation } from "./aggregation.js";

export interface FactorOptions {
  aggregation: Aggregation;
  /** L of "fixed-length". */
  fixedLength?: number | undefined;
  /** N of a larger batch that this one is a part of; absent: the batch's own. */
  totalSequences?: number | undefined;
  /** ΣT of a larger batch; absent: the batch's own. */
  totalWeight?: number | undefined;
}

/** `weights`: [sequences] the sum of each sequence's weights. */
export function sequenceFactors(weights: readonly number[], options: FactorOptions): number[] {
  const { aggregation, fixedLength = 0, totalSequences: n = weights.length } = options;
  const all = options.totalWeight ?? weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((own) =>
    inverse(
      {
        "sequence-sum": n,
        "sequence-mean": n * own,
        "token-mean": all,
        "fixed-length": n * fixedLength,
      }[aggregation],
    ),
  );
}

function inverse(x: number): number {
  return x > 0 ? 1 / x : 0;
}
