/** Settings that change what the model computes and that the engine does not support: each is rejected by name. */
import { checkpointError, shown } from "./checkpoint-error.js";
import type { FamilyRules } from "./config-families.js";

/** `outer` is config.json, `json` the half that describes the language model (the same object for most). */
export function refuseUnsupported(
  outer: Record<string, unknown>,
  json: Record<string, unknown>,
  rules: FamilyRules,
  file: string,
): void {
  const refuse = (field: string, value: unknown, remedy: string): never => {
    throw checkpointError(file, `${field} is ${shown(value)}, which is not supported`, remedy, {
      field,
      value,
    });
  };
  for (const source of outer === json ? [json] : [outer, json]) {
    for (const field of ["quantization_config", "compression_config"]) {
      if (isSet(source[field])) {
        refuse(
          field,
          source[field],
          "use the unquantized checkpoint (float32, bfloat16 or float16 safetensors)",
        );
      }
    }
  }
  for (const field of [
    "num_local_experts",
    "num_experts",
    "n_routed_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
  ]) {
    if (isSet(json[field]))
      refuse(field, json[field], "mixture-of-experts models are not supported: use a dense one");
  }
  for (const field of ["mlp_bias", "rope_interleaved", "use_bidirectional_attention", "per_layer_config"]) {
    if (isSet(json[field])) refuse(field, json[field], "use a checkpoint without this setting");
  }
  const rotary = json.partial_rotary_factor;
  if (isSet(rotary) && rotary !== 1) {
    refuse("partial_rotary_factor", rotary, "only full rotary embeddings (1) are supported");
  }
  if (rules.bias === "never" && isSet(json.attention_bias)) {
    refuse(
      "attention_bias",
      json.attention_bias,
      `${rules.modelType} has no attention biases: remove the field`,
    );
  }
  if (rules.modelType === "gemma3_text" && isSet(json.attn_logit_softcapping)) {
    refuse(
      "attn_logit_softcapping",
      json.attn_logit_softcapping,
      "Gemma 3 does not cap attention: set it to null",
    );
  }
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0;
}
