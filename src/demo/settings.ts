/**
 * What a demo run is made of: sizes and hyperparameters, chosen so that two CPU cores need well under five minutes.
 * docs/results/demo.md reports five seeds of these values.
 */
import type { WorldSizes } from "./world.js";

export interface DemoSettings {
  world: WorldSizes;
  sft: { batchSize: number; steps: number; lr: number; warmupSteps: number; beta2: number };
  synthesize: { samples: number };
  train: { samplesPerState: number; batchSize: number; steps: number; lr: number; klWeight: number };
  /** Tokens of one action; the longest right one has half as many. */
  maxNewTokens: number;
  callLimit: number;
  concurrency: number;
}

export const DEMO_SETTINGS: DemoSettings = {
  world: { trainEntities: 200, heldOutEntities: 80, demonstrations: 12000, train: 2000, heldOut: 400 },
  sft: { batchSize: 16, steps: 1600, lr: 3e-3, warmupSteps: 40, beta2: 0.99 },
  synthesize: { samples: 2 },
  train: { samplesPerState: 4, batchSize: 96, steps: 150, lr: 5e-4, klWeight: 0.02 },
  maxNewTokens: 16,
  callLimit: 5,
  concurrency: 256,
};
