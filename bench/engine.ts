/** An engine at the SmolLM2-135M shape: the real weights where SWIRL_MODEL names their folder, random ones otherwise. */
import type { Dtype, ModelConfig } from "../src/native/addon.js";
import { Engine } from "../src/native/engine.js";
import { loadWeights, openCheckpoint } from "../src/policy/checkpoint/checkpoint.js";
import { parseModelConfig } from "../src/policy/checkpoint/model-config.js";
import { seeded } from "./shape.js";

export async function benchEngine(configJson: object, dtype: Dtype): Promise<Engine> {
  const folder = process.env.SWIRL_MODEL;
  const checkpoint = folder ? await openCheckpoint(folder) : undefined;
  const config =
    checkpoint?.config.model ?? parseModelConfig(JSON.stringify(configJson), "bench/shape.ts").model;
  const engine = new Engine({ config, device: "cpu", dtype, threads: 0, memoryBudget: 0, trainable: true });
  if (checkpoint) await loadWeights(checkpoint, engine);
  else await randomWeights(engine, config);
  return engine;
}

async function randomWeights(engine: Engine, config: ModelConfig): Promise<void> {
  const random = seeded(7);
  for (const { name, shape } of engine.parameters()) {
    const values = new Float32Array(shape.reduce((product, side) => product * side));
    if (name.includes("norm")) values.fill(config.normOffset ? 0 : 1);
    else for (let i = 0; i < values.length; i++) values[i] = (random() - 0.5) * 0.08;
    await engine.writeTensor(name, "weight", "float32", new Uint8Array(values.buffer));
  }
}
