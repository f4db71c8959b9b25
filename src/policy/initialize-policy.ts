/**
 * Writes the folder of a new, untrained model: random weights for any supported config.json, ready for `Policy.load`
 * and for transformers. The same config and seed give the same bytes.
 *
 * Matrices and embeddings are normal, with the config's `initializer_range` (default 0.02) as standard deviation. Those
 * that write into the residual stream are divided by √(2·layers), as in GPT-2. Norms are the identity and biases zero.
 */

import { join } from "node:path";
import { ofArgumentsAsync } from "../errors/arguments.js";
import { createRandom, normal } from "../random/random.js";
import { parseModelConfig } from "./checkpoint/model-config.js";
import { parametersOf } from "./checkpoint/parameter-names.js";
import { saveNewCheckpoint, type WeightReader } from "./checkpoint/save-checkpoint.js";

/** Options of {@link initializePolicy}. */
export interface InitializeOptions {
  /** The content of config.json. */
  config: Record<string, unknown>;
  /** Seed of the weights, an integer. */
  seed: number;
  /** Further text files by name: tokenizer.json, tokenizer_config.json. */
  files?: Record<string, string>;
}

/**
 * Writes a model folder with random weights.
 *
 * @throws SwirlError CHECKPOINT for a config that the engine does not support, or a folder that cannot be written.
 * @example
 * await initializePolicy("models/tiny", { config, seed: 0, files: { "tokenizer.json": tokenizerText } });
 */
export async function initializePolicy(folder: string, options: InitializeOptions): Promise<void> {
  return await ofArgumentsAsync("initializePolicy", "(folder, { config, seed, files? })", async () => {
    const { config, seed, files = {} } = options;
    const { model } = parseModelConfig(JSON.stringify(config), join(folder, "config.json"));
    const range = typeof config.initializer_range === "number" ? config.initializer_range : 0.02;
    const sizes = new Map(
      parametersOf(model).map(({ name, shape }) => [name, shape.reduce((a, b) => a * b)]),
    );
    const valuesOf = (name: string) => {
      const values = new Float32Array(sizes.get(name)!);
      if (/norm\.weight$/.test(name)) values.fill(model.normOffset ? 0 : 1);
      else if (!name.endsWith(".bias")) {
        const intoResidual = /\.(o_proj|down_proj)\.weight$/.test(name);
        const scale = intoResidual ? range / Math.sqrt(2 * model.layers) : range;
        const random = createRandom(seed, name);
        for (let i = 0; i < values.length; i++) values[i] = scale * normal(random);
      }
      return values;
    };
    // A tensor is requested in parts, in order.
    let made = { name: "", values: new Float32Array(0) };
    const readTensor: WeightReader["readTensor"] = async (name, _kind, _dtype, first = 0, count) => {
      if (made.name !== name) made = { name, values: valuesOf(name) };
      const part = made.values.slice(first, count === undefined ? undefined : first + count);
      return new Uint8Array(part.buffer);
    };
    await saveNewCheckpoint(config, folder, { readTensor }, { dtype: "float32", otherFiles: files });
  });
}
