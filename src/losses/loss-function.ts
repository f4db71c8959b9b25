/**
 * A policy-gradient loss as a pure function of one sequence's log-probs. `policy.forwardBackward` and `policy.update`
 * take any such function, next to the names of the built-in losses.
 *
 * The engine needs nothing else from a loss: the language-model head multiplies d loss / d log-prob of each scored
 * token with onehot - softmax.
 */

/**
 * What a loss may read of one sequence. Every array has one element per scored token: token `actionStart + i` is at
 * index i. All log-probs are natural logarithms. The arrays belong to the call; a loss must not keep or change them.
 */
export interface LossSequence {
  /** Under the current weights, at the loss's temperature. */
  readonly logprobs: Float32Array;
  /** Under the weights that sampled the action; absent if the batch has none. */
  readonly behaviorLogprobs?: Float32Array;
  /** Under the reference policy; absent if the batch has none. */
  readonly referenceLogprobs?: Float32Array;
  /** As another engine reported them when it sampled; absent if the batch has none. */
  readonly samplerLogprobs?: Float32Array;
  /** The sequence's advantage; repeated if the batch has one number for all tokens. */
  readonly advantage: Float32Array;
  /** At least 0 each; all 1 if the batch has none. 0 masks a token. */
  readonly weights: Float32Array;
}

/** What a loss function returns. */
export interface LossTerms {
  /** The sequence's loss: the sum over its scored tokens, each times its weight, before the aggregation's factor. */
  value: number;
  /** [scored tokens] d value / d log-prob. 0 where the token's weight is 0. */
  derivative: Float32Array | Float64Array;
}

/**
 * The function applies `weights` itself, because a loss at the sequence level also needs them for its mean. The caller
 * multiplies both results by the aggregation's factor: 1/N, 1/(N·T), 1/ΣT or 1/(N·L), where T is the sum of a
 * sequence's weights, and adds the KL and entropy terms of the options.
 */
export type LossFunction = (sequence: LossSequence) => LossTerms;
