/** An engine with a checkpoint in it. `trainable`: with room for gradients and moments. `profile`: its kernels timed. */
import type { Dtype } from "../src/native/addon.js";
import { Engine } from "../src/native/engine.js";
import { loadWeights, openCheckpoint } from "../src/policy/checkpoint/checkpoint.js";

export async function benchEngine(
  folder: string,
  dtype: Dtype,
  trainable = true,
  device = "cpu",
  profile = trainable,
): Promise<Engine> {
  const checkpoint = await openCheckpoint(folder);
  const config = checkpoint.config.model;
  const engine = new Engine({
    config,
    device,
    dtype,
    threads: 0,
    memoryBudget: 0,
    trainable,
    profile,
  });
  await loadWeights(checkpoint, engine);
  return engine;
}
