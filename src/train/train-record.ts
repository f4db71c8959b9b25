/**
 * One line of metrics.jsonl, for one update. Names are TRL's where TRL has the figure.
 *
 * Counters (num_tokens, tree_tokens, judge/failed, skipped_updates) run from the start of training, as TRL's
 * num_tokens does; everything else is of this update. Times are wall-clock seconds.
 */
import type { CompletionMetrics, RewardMetrics } from "./reward-metrics.js";
import type { SamplerMismatch } from "./sampler-mismatch.js";

/** One update of `train` or `sft`. */
export interface UpdateRecord {
  /** Updates done, this one included. */
  step: number;
  /** Passes over the data, a fraction within one. */
  epoch: number;
  /** null: the update was skipped. */
  loss: number | null;
  /** Gradient norm before clipping. */
  grad_norm: number | null;
  /** Learning rate of this update. */
  learning_rate: number;
  /** Mean over scored tokens, nats. */
  entropy: number | null;
  /** Sum of sequence lengths trained on. */
  num_tokens: number;
  /** Rows computed for them. */
  tree_tokens: number;
  /** Updates skipped so far, because something was not finite. */
  skipped_updates: number;
  /** Seconds of forward, backward and optimizer step. */
  "time/update": number;
  /** Seconds of the whole step. */
  "time/step": number;
}

/** One update of `train`: a line of metrics.jsonl. */
export interface TrainRecord
  extends UpdateRecord,
    RewardMetrics,
    Partial<CompletionMetrics>,
    Partial<SamplerMismatch> {
  /** Mean of the chosen estimator; null without a reference. */
  kl: number | null;
  /** Share of scored tokens clipped; null unless the engine computes the loss of PPO-clip. */
  clip_ratio: number | null;
  /** Actions trained on. */
  samples: number;
  /** Actions whose judgment failed: masked, not given a zero. */
  "judge/failed": number;
  /** Seconds of sampling. */
  "time/sample": number;
  /** Seconds of judging. */
  "time/judge": number;
  /** Seconds of the reference policy. */
  "time/reference": number;
  /** For each of several rewards, before weights: the mean over judged actions, and the sample deviation. */
  [reward: `rewards/${string}`]: number;
  /** Under dynamicSampling: draws of states beyond the first. */
  "sampling/redrawn"?: number;
  /** Under dynamicSampling: states that were left out because their rewards are all the same. */
  "sampling/uniform"?: number;
  /** Under maskTruncated: actions left out of the loss. */
  "sampling/truncated"?: number;
  /** Numbers of the validation. */
  [validation: `validation/${string}`]: number;
}
