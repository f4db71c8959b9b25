/** The demo's policy before any training: a small Llama of about half a million parameters, and its tokenizer. */
import { initializePolicy } from "../index.js";
import { END_ID, PAD_ID, tokenizerConfig, tokenizerJson, VOCABULARY } from "./tokenizer.js";

/** Maximum tokens of a trajectory; those of the demo are shorter. */
export const CONTEXT_LENGTH = 256;

/** The config.json of the demo's model: a Llama of three layers and about half a million parameters. */
export const MODEL_CONFIG: Record<string, unknown> = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: VOCABULARY.length,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 3,
  num_attention_heads: 8,
  num_key_value_heads: 8,
  hidden_act: "silu",
  max_position_embeddings: CONTEXT_LENGTH,
  rms_norm_eps: 1e-6,
  rope_theta: 1000, // contexts are short: low frequencies would hardly turn
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  initializer_range: 0.05, // at this width it learns to copy names three times sooner than from 0.02
  eos_token_id: END_ID,
  pad_token_id: PAD_ID,
  torch_dtype: "float32",
};

/**
 * Writes the demo's untrained policy: config.json, model.safetensors, tokenizer.json and tokenizer_config.json. The same
 * seed gives the same bytes.
 *
 * @throws SwirlError CHECKPOINT when the folder cannot be written.
 */
export async function writePolicyFolder(folder: string, seed: number): Promise<void> {
  await initializePolicy(folder, {
    config: MODEL_CONFIG,
    seed,
    files: {
      "tokenizer.json": `${JSON.stringify(tokenizerJson(), null, 1)}\n`,
      "tokenizer_config.json": `${JSON.stringify(tokenizerConfig(CONTEXT_LENGTH), null, 2)}\n`,
    },
  });
}
