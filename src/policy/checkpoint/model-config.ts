/**
 * A Hugging Face config.json as the engine's ModelConfig.
 *
 * Families: Llama 3.x and SmolLM2, Mistral, Qwen2/2.5, Qwen3, Gemma 2, Gemma 3 (text, or the text half of the
 * multimodal one). Both config layouts are read: transformers 5 (`rope_parameters`, `layer_types`, `dtype`) and the
 * older one (`rope_theta`, `rope_scaling`, `rope_local_base_freq`, `sliding_window_pattern`, `torch_dtype`).
 * A setting the engine would have to ignore is an error that names the field: nothing is silently approximated.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelConfig } from "../../native/addon.js";
import { checkpointError, shown } from "./checkpoint-error.js";
import { type Family, type FamilyRules, families, familyOf, supportedModelTypes } from "./config-families.js";
import { flatRope, layeredRope } from "./config-rope.js";
import { type Config, configSchema } from "./config-schema.js";
import { slidingLayersOf } from "./config-sliding.js";
import { refuseUnsupported } from "./config-unsupported.js";
import { ropeInverseFrequencies } from "./rope-frequencies.js";

export interface CheckpointConfig {
  family: Family;
  model: ModelConfig;
  json: Record<string, unknown>;
  /**
   * config.json as it was read: what `save` writes back. Parsed and printed again, 30.0 would become 30, which
   * transformers refuses where it wants a float.
   */
  text: string;
  /** End-of-sequence ids named by config.json; generation_config.json may name others. */
  eosTokens: number[];
}

const activations: Record<string, ModelConfig["activation"]> = {
  silu: "silu",
  swish: "silu",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu_python_tanh: "gelu_tanh",
  gelu_new: "gelu_tanh",
};

export async function readModelConfig(folder: string): Promise<CheckpointConfig> {
  const file = join(folder, "config.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw checkpointError(
      file,
      `cannot be read (${(cause as NodeJS.ErrnoException).code ?? cause})`,
      "point at a Hugging Face model folder: config.json, *.safetensors and tokenizer.json side by side",
      {},
      cause,
    );
  }
  return parseModelConfig(text.replace(/^\ufeff/, ""), file);
}

/** `file` is only for messages. Throws SwirlError CHECKPOINT. */
export function parseModelConfig(text: string, file: string): CheckpointConfig {
  const json = parseObject(text, file);
  const family = familyOf(json.model_type);
  if (!family) {
    throw checkpointError(
      file,
      `model_type is ${shown(json.model_type)}, which is not supported`,
      `use one of ${supportedModelTypes.join(", ")}`,
      { field: "model_type", value: json.model_type },
    );
  }
  const inner = textHalf(json, file);
  const rules = families[family];
  refuseUnsupported(json, inner, rules, file);
  const config = validate({ ...rules.defaults, ...withoutUndefined(inner) }, file);
  return {
    family,
    model: toModelConfig(config, inner, rules, family, file),
    json,
    text,
    eosTokens: [config.eos_token_id ?? []].flat().filter((id) => id >= 0),
  };
}

/** Multimodal Gemma 3 keeps its language model's settings under `text_config`. */
function textHalf(json: Record<string, unknown>, file: string): Record<string, unknown> {
  if (json.model_type !== "gemma3") return json;
  const inner = json.text_config;
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) {
    throw checkpointError(file, `text_config is ${shown(inner)}`, "gemma3 needs text_config, an object", {
      field: "text_config",
      value: inner,
    });
  }
  const tied = json.tie_word_embeddings;
  return {
    ...(tied === undefined ? {} : { tie_word_embeddings: tied }),
    ...(inner as Record<string, unknown>),
  };
}

function parseObject(text: string, file: string): Record<string, unknown> {
  if (text.length > 16 << 20) {
    throw checkpointError(
      file,
      `has ${text.length} characters`,
      "a config.json is a few kilobytes: is this one?",
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw checkpointError(
      file,
      `is not JSON: ${(cause as Error).message}`,
      "download the file again",
      {},
      cause,
    );
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw checkpointError(file, `holds ${shown(json)}`, "a config.json holds one JSON object");
  }
  return json as Record<string, unknown>;
}

function validate(json: Record<string, unknown>, file: string): Config {
  const parsed = configSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path ?? [];
  const value = path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    json,
  );
  throw checkpointError(
    file,
    `${path.join(".")} is ${shown(value)}: ${issue?.message ?? "invalid"}`,
    "correct the field, or download config.json again",
    { field: path.join("."), value },
  );
}

function toModelConfig(
  config: Config,
  json: Record<string, unknown>,
  rules: FamilyRules,
  family: Family,
  file: string,
): ModelConfig {
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? Math.floor(config.hidden_size / heads);
  const wrong = (field: string, value: unknown, remedy: string) =>
    checkpointError(file, `${field} is ${shown(value)}`, remedy, { field, value });
  if (config.head_dim === null && config.hidden_size % heads !== 0) {
    throw wrong("hidden_size", config.hidden_size, `it must be a multiple of num_attention_heads (${heads})`);
  }
  if (heads % kvHeads !== 0) {
    throw wrong("num_key_value_heads", kvHeads, `it must divide num_attention_heads (${heads})`);
  }
  if (headDim % 2 !== 0 || headDim === 0)
    throw wrong("head_dim", headDim, "rotary embeddings need an even head_dim");

  const slidingLayers = slidingLayersOf(config, rules, file);
  const slides = slidingLayers.some(Boolean);
  const rope = family === "gemma3" ? layeredRope(json, file) : undefined;
  const full = rope?.full ?? flatRope(json, file);
  const sliding = rope?.sliding ?? full;
  const bias = rules.bias === "config" && config.attention_bias === true;
  return {
    layers: config.num_hidden_layers,
    width: config.hidden_size,
    heads,
    kvHeads,
    headDim,
    intermediate: config.intermediate_size,
    vocab: config.vocab_size,
    maxPositions: config.max_position_embeddings,
    normEps: config.rms_norm_eps,
    normOffset: rules.gemma,
    activation: activationOf(json, rules, file),
    qkvBias: bias || rules.bias === "qkv",
    outputBias: bias,
    qkNorm: rules.qkNorm,
    postNorms: rules.gemma,
    embedScale: rules.gemma ? Math.sqrt(config.hidden_size) : 1,
    attentionScale: (rules.gemma ? (config.query_pre_attn_scalar ?? headDim) : headDim) ** -0.5,
    attentionSoftcap: config.attn_logit_softcapping ?? 0,
    logitSoftcap: config.final_logit_softcapping ?? 0,
    slidingWindow: slides ? (config.sliding_window ?? 0) : 0,
    slidingLayers,
    ropeInverseFrequencies: ropeInverseFrequencies(headDim, full.base, full.scaling),
    ropeInverseFrequenciesSliding: ropeInverseFrequencies(headDim, sliding.base, sliding.scaling),
    ropeAttentionFactor: 1,
    tiedEmbeddings: config.tie_word_embeddings,
  };
}

function activationOf(
  json: Record<string, unknown>,
  rules: FamilyRules,
  file: string,
): ModelConfig["activation"] {
  const field = rules.activationField;
  const name = json[field] ?? rules.defaults[field];
  const activation =
    typeof name === "string" && Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (!activation) {
    throw checkpointError(
      file,
      `${field} is ${shown(name)}, which is not supported`,
      `use one of ${Object.keys(activations).join(", ")}`,
      { field, value: name },
    );
  }
  return activation;
}

function withoutUndefined(json: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined));
}
