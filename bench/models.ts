/**
 * The models of the benchmarks, and their checkpoints of random weights. A checkpoint is written once, in bfloat16,
 * into .cache/bench/, so that ours and every peer load the same weights and must compute the same log-probs.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseModelConfig } from "../src/policy/checkpoint/model-config.js";
import { parametersOf } from "../src/policy/checkpoint/parameter-names.js";
import { writeCheckpointFolder } from "../src/policy/checkpoint/write-checkpoint.js";
import { seeded } from "./seeded.js";

export type ModelName = "smollm2" | "qwen2.5" | "qwen2.5-1.5b" | "tiny";

const smolLM2 = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: "bfloat16",
};

const qwen25 = {
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  vocab_size: 151936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  use_sliding_window: false,
  bos_token_id: 151643,
  eos_token_id: 151645,
  torch_dtype: "bfloat16",
};

export const models: Record<ModelName, { title: string; config: Record<string, unknown> }> = {
  smollm2: { title: "SmolLM2-135M", config: smolLM2 },
  "qwen2.5": { title: "Qwen2.5-0.5B", config: qwen25 },
  "qwen2.5-1.5b": {
    title: "Qwen2.5-1.5B",
    config: {
      ...qwen25,
      hidden_size: 1536,
      intermediate_size: 8960,
      num_hidden_layers: 28,
      num_attention_heads: 12,
    },
  },
  tiny: {
    title: "two layers",
    config: {
      ...smolLM2,
      num_hidden_layers: 2,
      hidden_size: 64,
      intermediate_size: 128,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      vocab_size: 512,
    },
  },
};

/** Its checkpoint's folder, written where it is missing. */
export async function checkpointOf(name: ModelName): Promise<string> {
  const cache = join(import.meta.dirname, "../.cache/bench");
  const folder = join(cache, name);
  if (existsSync(join(folder, "model.safetensors"))) return folder;
  mkdirSync(cache, { recursive: true });
  const { config } = models[name];
  const model = parseModelConfig(JSON.stringify(config), "bench/models.ts").model;
  const random = seeded(7);
  const tensors = parametersOf(model).map(({ name, shape }) => ({
    name,
    dtype: "BF16" as const,
    shape,
    parts: async function* () {
      const values = new Float32Array(shape.reduce((product, side) => product * side));
      if (name.includes("norm")) values.fill(model.normOffset ? 0 : 1);
      else for (let i = 0; i < values.length; i++) values[i] = (random() - 0.5) * 0.08;
      yield truncated(values);
    },
  }));
  await writeCheckpointFolder(folder, {
    files: [{ name: "model.safetensors", tensors, metadata: { format: "pt" } }],
    sharded: false,
    otherFiles: { "config.json": { text: `${JSON.stringify(config, null, 2)}\n` } },
  });
  return folder;
}

/** bfloat16 by dropping the lower half, which is good enough for random weights. */
function truncated(values: Float32Array): Uint8Array {
  const halves = new Uint16Array(values.buffer);
  const upper = new Uint16Array(values.length);
  for (let i = 0; i < upper.length; i++) upper[i] = halves[2 * i + 1]!;
  return new Uint8Array(upper.buffer);
}
