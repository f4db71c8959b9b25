/** The fields of config.json that every supported family shares, with bounds no real model exceeds. */
import { z } from "zod";

const size = (max: number) => z.int().min(1).max(max);
const layerType = z.enum(["full_attention", "sliding_attention", "attention"]);

export const configSchema = z.looseObject({
  vocab_size: size(1 << 24),
  hidden_size: size(1 << 17),
  intermediate_size: size(1 << 20),
  num_hidden_layers: size(1 << 12),
  num_attention_heads: size(1 << 12),
  num_key_value_heads: size(1 << 12).nullable(),
  head_dim: size(1 << 12).nullable(),
  max_position_embeddings: size(1 << 28),
  rms_norm_eps: z.number().positive().max(1),
  tie_word_embeddings: z
    .boolean()
    .nullable()
    .transform((tied) => tied === true),
  attention_bias: z.boolean().nullish(),
  sliding_window: size(1 << 28).nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().min(0).nullish(),
  sliding_window_pattern: size(1 << 12).nullish(),
  layer_types: z.array(layerType).nullish(),
  query_pre_attn_scalar: z.number().positive().optional(),
  final_logit_softcapping: z.number().positive().nullish(),
  attn_logit_softcapping: z.number().positive().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(), // some write -1 for none
});
export type Config = z.infer<typeof configSchema>;
