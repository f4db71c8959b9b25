/** An engine with a checkpoint in it, ready to train. */
import type { Dtype } from "../src/native/addon.js";
import { Engine } from "../src/native/engine.js";
import { loadWeights, openCheckpoint } from "../src/policy/checkpoint/checkpoint.js";

export async function benchEngine(folder: string, dtype: Dtype): Promise<Engine> {
  const checkpoint = await openCheckpoint(folder);
  const { model } = checkpoint.config;
  const options = { config: model, device: "cpu", dtype, threads: 0, memoryBudget: 0, trainable: true };
  const engine = new Engine({ ...options, ...{ profile: true } });
  await loadWeights(checkpoint, engine);
  return engine;
}
