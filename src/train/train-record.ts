/**
 * One line of metrics.jsonl: what an update did. Names are TRL's where TRL has the figure.
 *
 * Counters (num_tokens, tree_tokens, judge/failed, skipped_updates) run from the start of training, as TRL's
 * num_tokens does; everything else is of this update. Times are wall-clock seconds.
 */
import type { CompletionMetrics, RewardMetrics } from "./reward-metrics.js";

export interface UpdateRecord {
  /** Updates done, this one included. */
  step: number;
  /** Passes over the data, a fraction within one. */
  epoch: number;
  loss: number | null; // null: this update was skipped
  grad_norm: number | null; // before clipping
  learning_rate: number;
  entropy: number | null; // mean over scored tokens, nats
  num_tokens: number; // sum of sequence lengths trained on
  tree_tokens: number; // rows really computed for them
  skipped_updates: number;
  "time/update": number;
  "time/step": number;
}

export interface TrainRecord extends UpdateRecord, RewardMetrics, Partial<CompletionMetrics> {
  kl: number | null; // mean of the chosen estimator; null without a reference
  clip_ratio: number | null; // share of scored tokens clipped; null unless the engine computes the loss of PPO-clip
  samples: number; // actions trained on
  "judge/failed": number; // masked, not zero
  "time/sample": number;
  "time/judge": number;
  "time/reference": number;
  /** Of each of several rewards, before weights: the mean over judged actions, and the sample deviation. */
  [reward: `rewards/${string}`]: number;
  /** Under dynamicSampling: draws of states beyond the first, and states left out as all their rewards are the same. */
  "sampling/redrawn"?: number;
  "sampling/uniform"?: number;
  /** Under maskTruncated: actions left out of the loss. */
  "sampling/truncated"?: number;
  [validation: `validation/${string}`]: number;
}
