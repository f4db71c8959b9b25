/**
 * How the losses ℓ of tokens are combined into one number. N: sequences, Tᵢ: the sum of a sequence's weights, L: a
 * fixed length.
 *
 *   sequence-sum    1/N Σᵢ Σₜ ℓ             an action counts as one decision, whatever its length
 *   sequence-mean   1/N Σᵢ (1/Tᵢ) Σₜ ℓ      GRPO; verl: seq-mean-token-mean
 *   token-mean      Σᵢ Σₜ ℓ / Σᵢ Tᵢ         DAPO; verl: token-mean
 *   fixed-length    1/(N·L) Σᵢ Σₜ ℓ         Dr. GRPO; verl: seq-mean-token-sum-norm
 */
export const AGGREGATIONS = ["sequence-sum", "sequence-mean", "token-mean", "fixed-length"] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];
