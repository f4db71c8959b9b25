/**
 * Sizes and hyperparameters of the demo, chosen so that two CPU cores need well under five minutes.
 * docs/results/demo.md reports five seeds of these values.
 */
import type { WorldSizes } from "./world.js";

/** Sizes and hyperparameters of a demo. */
export interface DemoSettings {
  /** Size of the invented world. */
  world: WorldSizes;
  /** Options of `sft`. */
  sft: {
    /** Trajectories per step. */
    batchSize: number;
    /** Optimizer steps. */
    steps: number;
    /** Highest learning rate. */
    lr: number;
    /** Steps in which the learning rate rises from 0. */
    warmupSteps: number;
    /** AdamW's second decay rate. */
    beta2: number;
  };
  /** Options of `synthesize`. */
  synthesize: {
    /** Rollouts per question. */
    samples: number;
  };
  /** Options of `train`. */
  train: {
    /** Fresh actions per state. */
    samplesPerState: number;
    /** States per step. */
    batchSize: number;
    /** Optimizer steps. */
    steps: number;
    /** Highest learning rate. */
    lr: number;
    /** Weight of the KL penalty. */
    klWeight: number;
  };
  /** Maximum tokens per action; the longest right one has half as many. */
  maxNewTokens: number;
  /** Calls per question. */
  callLimit: number;
  /** Rollouts at once. */
  concurrency: number;
}

/** The settings of `swirl demo`. */
export const DEMO_SETTINGS: DemoSettings = {
  world: { trainEntities: 200, heldOutEntities: 80, demonstrations: 12000, train: 2000, heldOut: 400 },
  sft: { batchSize: 16, steps: 1600, lr: 3e-3, warmupSteps: 40, beta2: 0.99 },
  synthesize: { samples: 2 },
  train: { samplesPerState: 4, batchSize: 96, steps: 150, lr: 5e-4, klWeight: 0.02 },
  maxNewTokens: 16,
  callLimit: 5,
  concurrency: 256,
};
