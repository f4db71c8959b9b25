import { parseModelConfig } from "../../../../src/policy/checkpoint/model-config.js";
import { parametersOf } from "../../../../src/policy/checkpoint/parameter-names.js";
import { mutateJsonText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { testFile } from "./corpus.js";

const LLAMA = JSON.parse(testFile("corpus/0.1.0/model/config.json")) as Record<string, unknown>;
const SEEDS = [
  LLAMA,
  {
    ...LLAMA,
    model_type: "qwen3",
    head_dim: 16,
    rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 128 },
  },
  {
    ...LLAMA,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
  {
    ...LLAMA,
    model_type: "gemma2",
    sliding_window: 32,
    query_pre_attn_scalar: 16,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
  },
  {
    model_type: "gemma3",
    text_config: { ...LLAMA, model_type: "gemma3_text", sliding_window: 32, layer_types: ["full_attention"] },
  },
];
const WORDS = [
  '"mistral"',
  '"qwen2"',
  '"gemma3_text"',
  '"rope_type"',
  '"linear"',
  '"silu"',
  '"gelu_pytorch_tanh"',
  '"layer_types"',
];

/** Sizes are whole numbers above 0 and rotations finite: the engine multiplies them. */
export const modelConfig: FuzzedParser = {
  name: "model-config",
  input: (random) => mutateJsonText(random, SEEDS, WORDS),
  read: (input) => {
    const { model, eosTokens } = parseModelConfig(input, "config.json");
    for (const [key, value] of Object.entries(model))
      must(typeof value !== "number" || Number.isFinite(value), `${key} is finite`);
    must(
      eosTokens.every((id) => Number.isInteger(id) && id >= 0),
      "eos tokens are ids",
    );
    if (model.layers > 1000) return model; // a list of parameters would be as long
    for (const { name, shape } of parametersOf(model))
      must(
        shape.every((side: number) => Number.isSafeInteger(side) && side > 0),
        `the sides of ${name} are sizes`,
      );
    return model;
  },
};
