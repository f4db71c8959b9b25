/**
 * The parameters a ModelConfig has, under the names the engine uses, and where a checkpoint keeps them.
 * Checkpoints prefix the same names differently: "model." for a language model, nothing for a bare decoder, and
 * "language_model.model." or "model.language_model." for the text half of a multimodal one.
 */
import type { ModelConfig, ParameterInfo } from "../../native/addon.js";

export const EMBEDDING = "model.embed_tokens.weight";
export const HEAD = "lm_head.weight";

export function parametersOf(config: ModelConfig): ParameterInfo[] {
  const { width, heads, kvHeads, headDim, intermediate, vocab } = config;
  const parameters: ParameterInfo[] = [{ name: EMBEDDING, shape: [vocab, width] }];
  const add = (name: string, ...shape: number[]) => parameters.push({ name, shape });
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `model.layers.${layer}`;
    add(`${at}.input_layernorm.weight`, width);
    const projections = [
      ["q_proj", heads * headDim, width, config.qkvBias],
      ["k_proj", kvHeads * headDim, width, config.qkvBias],
      ["v_proj", kvHeads * headDim, width, config.qkvBias],
      ["o_proj", width, heads * headDim, config.outputBias],
    ] as const;
    for (const [name, out, in_, bias] of projections) {
      add(`${at}.self_attn.${name}.weight`, out, in_);
      if (bias) add(`${at}.self_attn.${name}.bias`, out);
    }
    if (config.qkNorm) {
      add(`${at}.self_attn.q_norm.weight`, headDim);
      add(`${at}.self_attn.k_norm.weight`, headDim);
    }
    add(`${at}.post_attention_layernorm.weight`, width);
    if (config.postNorms) {
      add(`${at}.pre_feedforward_layernorm.weight`, width);
      add(`${at}.post_feedforward_layernorm.weight`, width);
    }
    add(`${at}.mlp.gate_proj.weight`, intermediate, width);
    add(`${at}.mlp.up_proj.weight`, intermediate, width);
    add(`${at}.mlp.down_proj.weight`, width, intermediate);
  }
  add("model.norm.weight", width);
  if (!config.tiedEmbeddings) add(HEAD, vocab, width);
  return parameters;
}

const prefixes = ["model.", "language_model.model.", "model.language_model.", ""];

/** Maps an engine's name to the checkpoint's; undefined when the checkpoint has an embedding under no known prefix. */
export function spellingOf(names: { has(name: string): boolean }): ((name: string) => string) | undefined {
  const prefix = prefixes.find((candidate) => names.has(`${candidate}embed_tokens.weight`));
  if (prefix === undefined) return undefined;
  const head = names.has("language_model.lm_head.weight") ? "language_model.lm_head.weight" : HEAD;
  return (name) => (name === HEAD ? head : prefix + name.slice("model.".length));
}
