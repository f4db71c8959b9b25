/** The real studies in numbers: a published model, published questions, as much of both as a CPU takes in an hour or two. */
import type { LoraOptions, RolloutOptions } from "swirl-rl";
import type { SftSettings, TrainSettings } from "../job.js";

export interface RealSettings {
  dataset: "gsm8k" | "hotpotqa";
  /** Files below the data folder. */
  files: { train: string; test: string; demonstrations: string; corpus: readonly string[] };
  demonstrations: { limit: number };
  /** Solved examples in every prompt, the first of the training file. */
  shots: number;
  /**
   * Who filters and rewards. "rules": the task's rule judge. "rules and model": it and a model that reads. "rules and
   * solutions": it and the questions' own solutions. Both have to say GOOD, and the rules alone measure as well.
   */
  judge: "rules" | "rules and model" | "rules and solutions";
  train: { skip: number; limit: number };
  test: { limit: number };
  callLimit: number;
  samples: number;
  /** Trajectories that a filter keeps: all where fewer pass; with `fill`, filled up with others. */
  kept: number;
  fill: boolean;
  maxNewTokens: number;
  rollout: Partial<Pick<RolloutOptions, "maxObservationTokens">>;
  /** Characters of a passage that are shown. */
  maxCharacters: number;
  concurrency: number;
  /** Format SFT. Absent: SWiRL starts from the published model. */
  imitation?: SftSettings;
  swirl: TrainSettings;
  /** Policies are adapters of the published model. Absent: all weights are trained. */
  lora?: LoraOptions;
  /** Whether an arm is rewarded by right answers, for a policy that gives enough of them to learn from. */
  outcomeReward: boolean;
  /** Also what SWiRL has to be better than: SFT on the same trajectories, rewards without signal, votes at inference. */
  controls?: { sft: SftSettings; votes: number };
}

const SWIRL: TrainSettings = {
  steps: 30,
  batchSize: 32,
  samplesPerState: 4,
  lr: 2e-5,
  warmupSteps: 3,
  klWeight: 0.02,
};

export const GSM8K: RealSettings = {
  dataset: "gsm8k",
  files: {
    train: "gsm8k/train.jsonl",
    test: "gsm8k/test.jsonl",
    demonstrations: "gsm8k/train.jsonl",
    corpus: [],
  },
  demonstrations: { limit: 2000 },
  shots: 0,
  judge: "rules",
  train: { skip: 2000, limit: 300 },
  test: { limit: 500 },
  callLimit: 8,
  samples: 4,
  kept: 300,
  fill: false,
  maxNewTokens: 96,
  rollout: {},
  maxCharacters: 600,
  concurrency: 64,
  imitation: { epochs: 1, batchSize: 16, lr: 2e-4, schedule: "cosine", warmupSteps: 5 },
  swirl: SWIRL,
  outcomeReward: false,
};

/**
 * A policy of half a billion parameters or more, which solves word problems but knows no tags: format SFT on as few
 * demonstrations as teach them, adapters instead of all weights, and a larger model that reads the steps.
 */
export const GSM8K_JUDGED: RealSettings = {
  ...GSM8K,
  demonstrations: { limit: 400 },
  judge: "rules and model",
  train: { skip: 2000, limit: 200 },
  maxNewTokens: 128,
  concurrency: 32,
  imitation: { epochs: 1, batchSize: 16, lr: 1e-4, schedule: "cosine", warmupSteps: 3 },
  lora: { rank: 16, alpha: 32 },
  // The learning rate is ten times that of full training.
  swirl: { ...SWIRL, steps: 60, batchSize: 24, lr: 2e-4 },
  outcomeReward: true,
  controls: { sft: { epochs: 2, batchSize: 16, lr: 1e-4, schedule: "cosine", warmupSteps: 3 }, votes: 8 },
};

/**
 * What the method gains from a judge that is hardly ever wrong, as one that knows the solutions of the training
 * questions: the ceiling for judges that read. Without the arms that cost the most.
 */
export const GSM8K_SOLUTIONS: RealSettings = {
  ...GSM8K_JUDGED,
  judge: "rules and solutions",
  swirl: { ...GSM8K_JUDGED.swirl, steps: 40, batchSize: 16 },
  outcomeReward: false,
};

export const HOTPOTQA: RealSettings = {
  dataset: "hotpotqa",
  files: {
    train: "hotpotqa/hotpotqa_train_100.json",
    test: "hotpotqa/hotpot_distractor_dev_200.jsonl",
    demonstrations: "hotpotqa/hotpotqa_train_100.json",
    corpus: ["hotpotqa/hotpotqa_train_100_corpus.json", "hotpotqa/hotpot_distractor_dev_200.jsonl"],
  },
  demonstrations: { limit: 100 },
  shots: 0,
  judge: "rules",
  train: { skip: 0, limit: 100 },
  test: { limit: 200 },
  callLimit: 5,
  samples: 8,
  kept: 300,
  fill: false,
  maxNewTokens: 48,
  rollout: { maxObservationTokens: 256 },
  maxCharacters: 600,
  concurrency: 32,
  imitation: { epochs: 4, batchSize: 8, lr: 5e-5, schedule: "cosine", warmupSteps: 4 },
  swirl: { ...SWIRL, batchSize: 24 },
  outcomeReward: true,
};
