/**
 * The loss of a batch and its derivative by every scored token's log-prob, for trainers that take derivatives instead of
 * losses. The same numbers as in the native engine (native/engine/loss.h):
 *
 *   L = Σᵢ fᵢ [ ℓ(sequence i) + klWeight·Σₜ wₜ·k(log π - log π_ref) ],   fᵢ the factor of the aggregation
 */
import { klEstimate } from "../losses/kl.js";
import { ppoClip } from "../losses/ppo-clip.js";
import { reinforce } from "../losses/reinforce.js";
import { sequenceFactors } from "../losses/sequence-factors.js";
import { applyLoss } from "./apply-loss.js";
import type { ResolvedLoss } from "./resolve-loss.js";
import type { CheckedSequence } from "./sequences.js";

export interface LossDerivative {
  /** [sequences][scored tokens] d L / d log π. */
  derivatives: Float64Array[];
  loss: number;
  /** Mean of the KL estimator over the tokens of weight above 0; 0 without a reference. */
  kl: number;
  /** Share of the tokens of weight above 0 that "ppo-clip" clipped; 0 for other losses. */
  clipRatio: number;
  /** Over the tokens of weight above 0, in nats. */
  meanLogprob: number;
  /** Tokens of weight above 0. */
  labels: number;
}

/** `logprobs`: [sequences][scored tokens] under the present weights. Throws INPUT for a loss function's wrong result. */
export function lossDerivative(
  batch: readonly CheckedSequence[],
  { function: custom, native }: ResolvedLoss,
  logprobs: readonly Float32Array[],
): LossDerivative {
  const { loss: named, klWeight, klEstimator, clipLow, clipHigh } = native;
  const loss = custom ?? (named === "ppo-clip" ? ppoClip({ clipLow, clipHigh }) : reinforce());
  const terms = applyLoss(loss, batch, logprobs);
  const factors = sequenceFactors(batch.map(totalWeight), native);
  const total = { loss: 0, kl: 0, clipped: 0, logprob: 0, labels: 0, scoredByReference: 0 };
  const derivatives = batch.map((sequence, i) => {
    const { value, derivative } = terms[i]!;
    const factor = factors[i]!;
    const own = logprobs[i]!;
    total.loss += factor * value;
    return derivative.map((slope, t) => {
      const weight = sequence.weights?.[t] ?? 1;
      if (weight === 0) return 0;
      total.labels++;
      total.logprob += own[t]!;
      if (named === "ppo-clip" && slope === 0 && advantageOf(sequence, t) !== 0) total.clipped++;
      const reference = sequence.referenceLogprobs?.[t];
      if (reference === undefined) return factor * slope;
      const kl = klEstimate(klEstimator, own[t]!, reference);
      total.scoredByReference++;
      total.kl += kl.value;
      total.loss += factor * weight * klWeight * kl.value;
      return factor * (slope + weight * klWeight * kl.derivative);
    });
  });
  const mean = (sum: number, count: number) => (count === 0 ? 0 : sum / count);
  return {
    derivatives,
    loss: total.loss,
    kl: mean(total.kl, total.scoredByReference),
    clipRatio: mean(total.clipped, total.labels),
    meanLogprob: mean(total.logprob, total.labels),
    labels: total.labels,
  };
}

function totalWeight({ weights, tokens, actionStart }: CheckedSequence): number {
  return weights?.reduce((sum, weight) => sum + weight, 0) ?? tokens.length - actionStart;
}

function advantageOf({ advantage }: CheckedSequence, t: number): number {
  return typeof advantage === "number" ? advantage : advantage[t]!;
}
