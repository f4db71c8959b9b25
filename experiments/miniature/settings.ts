/**
 * The miniature study in numbers. The world is the demo's (src/demo), with questions out of the training distribution
 * next to it; the policy is the demo's Llama of half a million parameters.
 *
 * Chosen so that there is room both ways: actions are sampled when the arms are compared, which shows every mistake a
 * policy still makes now and then; the base answers 30 to 60 % of the held-out questions so; SWiRL is stopped before it
 * has learned all there is to learn; and the judge overlooks bad steps, so that the process filter lets wrong answers by.
 */
import { DEMONSTRATION_MISTAKES, type MistakeRates } from "swirl-rl/demo";
import type { SftSettings, TrainSettings } from "../job.js";

export interface MiniatureSettings {
  /** Entities of each kind in the half that is trained on, and in the half that is held out. */
  entities: { train: number; heldOut: number };
  demonstrations: number;
  mistakes: MistakeRates;
  /** Share of bad steps that the training judge calls GOOD, in addition to what its rules do not see. */
  overlooked: number;
  /** Questions of stage 1, and trajectories for each. */
  train: number;
  samples: number;
  /** The same for the policies that think before they call. */
  thinkingTrain: number;
  /** Held-out questions of each list. */
  heldOut: number;
  /** Trajectories that a filter keeps; `fill`: if too few pass, fill up with others. */
  kept: number;
  fill: boolean;
  /** Other sizes of the training data; the largest takes all where fewer pass. */
  keptSmall: number;
  keptLarge: number;
  imitation: SftSettings;
  /** SFT on a selection, and the same for as long as SWiRL takes. */
  sft: SftSettings;
  longSft: SftSettings;
  swirl: TrainSettings & { batchSize: number; samplesPerState: number };
  /** Updates of the arms that pass over the states once only, and that show whether SWiRL had more to learn. */
  shortSwirlSteps: number;
  longSwirlSteps: number;
  maxNewTokens: number;
  thinkingMaxNewTokens: number;
  callLimit: number;
  concurrency: number;
}

export const MINIATURE: MiniatureSettings = {
  entities: { train: 200, heldOut: 150 },
  demonstrations: 12_000,
  mistakes: {
    ...DEMONSTRATION_MISTAKES,
    answersBeforeThird: 0.54,
    staleResult: 0.03,
    slips: 0.02,
    wrongAnswer: 0.02,
  },
  overlooked: 0.25,
  train: 8_000,
  samples: 4,
  thinkingTrain: 1_000,
  heldOut: 1_500,
  kept: 1_000,
  fill: false,
  keptSmall: 100,
  keptLarge: 10_000,
  imitation: { batchSize: 16, steps: 1_600, lr: 3e-3, schedule: "cosine", warmupSteps: 40, beta2: 0.99 },
  sft: { batchSize: 16, steps: 190, lr: 1e-3, schedule: "cosine", warmupSteps: 10, beta2: 0.99 },
  longSft: { batchSize: 16, steps: 500, lr: 1e-3, schedule: "cosine", warmupSteps: 10, beta2: 0.99 },
  swirl: {
    batchSize: 96,
    samplesPerState: 4,
    steps: 80,
    lr: 5e-4,
    schedule: "linear",
    lrFloor: 0.1,
    klWeight: 0.02,
  },
  shortSwirlSteps: 34,
  longSwirlSteps: 240,
  maxNewTokens: 16,
  thinkingMaxNewTokens: 40,
  callLimit: 5,
  concurrency: 256,
};

/** The whole study in seconds: it shows that everything runs, and nothing else. */
export const MINIATURE_SMOKE: MiniatureSettings = {
  ...MINIATURE,
  entities: { train: 12, heldOut: 12 },
  demonstrations: 100,
  train: 16,
  samples: 2,
  thinkingTrain: 8,
  heldOut: 6,
  kept: 4,
  fill: true,
  keptSmall: 2,
  keptLarge: 24,
  imitation: { ...MINIATURE.imitation, steps: 12 },
  sft: { ...MINIATURE.sft, steps: 2 },
  longSft: { ...MINIATURE.longSft, steps: 3 },
  swirl: { ...MINIATURE.swirl, batchSize: 8, steps: 2 },
  shortSwirlSteps: 1,
  longSwirlSteps: 3,
};
