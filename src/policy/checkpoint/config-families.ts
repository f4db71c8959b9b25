/**
 * Each model family's defaults for fields that config.json leaves out, and its fixed settings.
 * Source: the configuration and modeling files of Hugging Face transformers 5.18.
 */

export type Family = "llama" | "mistral" | "qwen2" | "qwen3" | "gemma2" | "gemma3";

export interface FamilyRules {
  /** `model_type` values, for messages. */
  modelType: string;
  /** Defaults of fields that checkpoints may leave out, as in the family's configuration class in transformers. */
  defaults: Record<string, unknown>;
  activationField: "hidden_act" | "hidden_activation";
  gemma: boolean; // offset norms, post norms, scaled embedding, query_pre_attn_scalar
  qkNorm: boolean;
  /** "config": attention_bias on q, k, v and o. */
  bias: "config" | "qkv" | "never";
  /** Which layers slide when `layer_types` is absent. */
  sliding: "never" | "all" | "after-max-window-layers" | "alternating" | "pattern";
}

const sizes = (
  vocab: number,
  width: number,
  intermediate: number,
  layers: number,
  heads: number,
  kvHeads: number | null,
  positions: number,
) => ({
  vocab_size: vocab,
  hidden_size: width,
  intermediate_size: intermediate,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  max_position_embeddings: positions,
  rms_norm_eps: 1e-6,
});

export const families: Record<Family, FamilyRules> = {
  llama: {
    modelType: "llama",
    defaults: {
      ...sizes(32000, 4096, 11008, 32, 32, null, 2048),
      head_dim: null,
      hidden_act: "silu",
      tie_word_embeddings: false,
      attention_bias: false,
    },
    activationField: "hidden_act",
    gemma: false,
    qkNorm: false,
    bias: "config",
    sliding: "never",
  },
  mistral: {
    modelType: "mistral",
    defaults: {
      ...sizes(32000, 4096, 14336, 32, 32, 8, 131072),
      head_dim: null,
      hidden_act: "silu",
      tie_word_embeddings: false,
      sliding_window: 4096,
    },
    activationField: "hidden_act",
    gemma: false,
    qkNorm: false,
    bias: "never",
    sliding: "all",
  },
  qwen2: {
    modelType: "qwen2",
    defaults: {
      ...sizes(151936, 4096, 22016, 32, 32, 32, 32768),
      head_dim: null,
      hidden_act: "silu",
      tie_word_embeddings: false,
      use_sliding_window: false,
      sliding_window: 4096,
      max_window_layers: 28,
    },
    activationField: "hidden_act",
    gemma: false,
    qkNorm: false,
    bias: "qkv",
    sliding: "after-max-window-layers",
  },
  qwen3: {
    modelType: "qwen3",
    defaults: {
      ...sizes(151936, 4096, 22016, 32, 32, 32, 32768),
      head_dim: 128,
      hidden_act: "silu",
      tie_word_embeddings: false,
      attention_bias: false,
      use_sliding_window: false,
      sliding_window: 4096,
      max_window_layers: 28,
    },
    activationField: "hidden_act",
    gemma: false,
    qkNorm: true,
    bias: "config",
    sliding: "after-max-window-layers",
  },
  gemma2: {
    modelType: "gemma2",
    defaults: {
      ...sizes(256000, 2304, 9216, 26, 8, 4, 8192),
      head_dim: 256,
      hidden_activation: "gelu_pytorch_tanh",
      tie_word_embeddings: true,
      attention_bias: false,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      final_logit_softcapping: 30,
      attn_logit_softcapping: 50,
    },
    activationField: "hidden_activation",
    gemma: true,
    qkNorm: false,
    bias: "config",
    sliding: "alternating",
  },
  gemma3: {
    modelType: "gemma3_text",
    defaults: {
      ...sizes(262208, 2304, 9216, 26, 8, 4, 131072),
      head_dim: 256,
      hidden_activation: "gelu_pytorch_tanh",
      tie_word_embeddings: true,
      attention_bias: false,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      sliding_window_pattern: 6,
      final_logit_softcapping: null,
      attn_logit_softcapping: null,
    },
    activationField: "hidden_activation",
    gemma: true,
    qkNorm: true,
    bias: "config",
    sliding: "pattern",
  },
};

const familyOfModelType: Record<string, Family> = {
  llama: "llama",
  mistral: "mistral",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma2: "gemma2",
  gemma3_text: "gemma3",
  gemma3: "gemma3",
};

export const supportedModelTypes = Object.keys(familyOfModelType);

export function familyOf(modelType: unknown): Family | undefined {
  return typeof modelType === "string" && Object.hasOwn(familyOfModelType, modelType)
    ? familyOfModelType[modelType]
    : undefined;
}
