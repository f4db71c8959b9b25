/** Models small enough to count their work by hand, and the real ones of the benchmarks. */
import { type ModelName, models } from "../../bench/models.js";
import type { ModelConfig } from "../../src/native/addon.js";
import { parseModelConfig } from "../../src/policy/checkpoint/model-config.js";

export function modelOf(name: ModelName): ModelConfig {
  return parseModelConfig(JSON.stringify(models[name].config), name).model;
}

/**
 * A layer's matrices: q and o 4·4, k and v 4·2, gate, up and down 4·8: 144 weights, 432 in the three layers. Its norms
 * have 2·4 weights, the embedding 10·4, the last norm 4.
 */
export const byHand: ModelConfig = {
  ...modelOf("tiny"),
  layers: 3,
  width: 4,
  heads: 2,
  kvHeads: 1,
  headDim: 2,
  intermediate: 8,
  vocab: 10,
};
