/** Every golden checkpoint's config, in both layouts, against transformers; and the errors for bad configs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SwirlError } from "../../errors/swirl-error.js";
import type { ModelConfig } from "../../native/addon.js";
import { parseModelConfig, readModelConfig } from "./model-config.js";
import { openWeightFile, readTensorBytes } from "./weight-files.js";

const golden = join(import.meta.dirname, "../../../tests/golden");

async function frequencies(name: string): Promise<Record<string, Float64Array>> {
  const file = await openWeightFile(join(golden, name, "expected.safetensors"));
  const found: Record<string, Float64Array> = {};
  for (const entry of file.tensors.filter((tensor) => tensor.name.startsWith("rope."))) {
    const bytes = await readTensorBytes(file, entry);
    found[entry.name] = new Float64Array(bytes.slice().buffer);
  }
  return found;
}

function close(found: Float64Array, expected: Float64Array | undefined): void {
  expect(found.length).toBe(expected?.length);
  for (let i = 0; i < found.length; i++) expect(found[i]! / expected![i]!).toBeCloseTo(1, 12);
}

const facts: Record<string, Partial<ModelConfig>> = {
  llama: { headDim: 8, kvHeads: 2, normEps: 1e-5, tiedEmbeddings: false, slidingWindow: 0, qkvBias: false },
  "llama-old": { headDim: 8, kvHeads: 4, tiedEmbeddings: true, qkvBias: true, outputBias: true },
  mistral: { headDim: 8, kvHeads: 1, slidingWindow: 7, slidingLayers: [true, true], normEps: 1e-6 },
  "mistral-old": { slidingWindow: 0, slidingLayers: [false, false] },
  qwen2: {
    vocab: 97,
    qkvBias: true,
    outputBias: false,
    slidingWindow: 6,
    slidingLayers: [false, true, true],
  },
  "qwen2-old": { qkvBias: true, slidingWindow: 0, slidingLayers: [false, false], tiedEmbeddings: false },
  qwen3: { headDim: 16, qkNorm: true, qkvBias: false, attentionScale: 0.25, tiedEmbeddings: true },
  "qwen3-old": { qkNorm: true, qkvBias: true, outputBias: true, slidingWindow: 0 },
  gemma2: {
    normOffset: true,
    postNorms: true,
    qkNorm: false,
    activation: "gelu_tanh",
    embedScale: Math.sqrt(32),
    attentionScale: 12 ** -0.5,
    attentionSoftcap: 2,
    logitSoftcap: 4,
    slidingWindow: 8,
    slidingLayers: [true, false, true],
    tiedEmbeddings: true,
  },
  "gemma2-old": { attentionSoftcap: 3, logitSoftcap: 6, slidingLayers: [true, false], slidingWindow: 6 },
  gemma3: { qkNorm: true, postNorms: true, attentionSoftcap: 0, slidingLayers: [true, true, false] },
  "gemma3-old": { slidingWindow: 6, slidingLayers: [true, false, true, false] },
};

describe("golden checkpoints", () => {
  it.each(Object.keys(facts))("%s", async (name) => {
    const { model } = await readModelConfig(join(golden, name));
    expect(model).toMatchObject(facts[name]!);
    const expected = await frequencies(name);
    close(
      model.ropeInverseFrequencies,
      expected["rope.inv_freq"] ?? expected["rope.full_attention_inv_freq"],
    );
    close(
      model.ropeInverseFrequenciesSliding,
      expected["rope.inv_freq"] ?? expected["rope.sliding_attention_inv_freq"],
    );
  });
});

function golden_(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(golden, name, "config.json"), "utf8"));
}

function parse(name: string, changes: Record<string, unknown>): ModelConfig {
  return parseModelConfig(JSON.stringify({ ...golden_(name), ...changes }), "config.json").model;
}

describe("what a missing field means", () => {
  it.each([
    ["llama", { num_key_value_heads: undefined }, { kvHeads: 4 }],
    ["llama", { tie_word_embeddings: undefined }, { tiedEmbeddings: false }],
    ["gemma2", { tie_word_embeddings: undefined }, { tiedEmbeddings: true }],
    ["qwen3", { head_dim: undefined }, { headDim: 128 }],
    [
      "gemma2",
      { head_dim: undefined, query_pre_attn_scalar: undefined },
      { headDim: 256, attentionScale: 1 / 16 },
    ],
    [
      "gemma2",
      { attn_logit_softcapping: undefined, final_logit_softcapping: undefined },
      { attentionSoftcap: 50, logitSoftcap: 30 },
    ],
    ["gemma2", { final_logit_softcapping: null }, { logitSoftcap: 0 }],
    ["mistral-old", { sliding_window: undefined }, { slidingWindow: 4096, slidingLayers: [true, true] }],
    ["gemma3-old", { sliding_window_pattern: undefined }, { slidingLayers: [true, true, true, true] }],
    ["gemma2-old", { sliding_window: undefined }, { slidingWindow: 4096 }],
    [
      "llama-old",
      { rope_theta: undefined, rope_scaling: null },
      { ropeInverseFrequencies: new Float64Array([1, 0.1, 0.01, 0.001]) },
    ],
    ["llama", { rms_norm_eps: undefined }, { normEps: 1e-6 }],
  ])("%s %j", (name, changes, expected) => {
    const model = parse(name, changes);
    for (const [field, value] of Object.entries(expected)) {
      const found = model[field as keyof ModelConfig];
      if (value instanceof Float64Array) close(found as Float64Array, value);
      else expect(found, field).toEqual(value);
    }
  });

  it("reads the text half of a multimodal Gemma 3", () => {
    const text_config = golden_("gemma3");
    const whole = JSON.stringify({ model_type: "gemma3", text_config, vision_config: { hidden_size: 1152 } });
    const { model, family } = parseModelConfig(whole, "config.json");
    expect(family).toBe("gemma3");
    expect(model).toEqual(parse("gemma3", {}));
  });

  it("takes one end token or many", () => {
    const eos = (value: unknown) =>
      parseModelConfig(JSON.stringify({ ...golden_("llama"), eos_token_id: value }), "c").eosTokens;
    expect([eos(2), eos([2, 5]), eos(null), eos(undefined)]).toEqual([[2], [2, 5], [], []]);
  });
});

describe("what is refused, by name", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["llama", { model_type: "mixtral" }, "model_type"],
    ["llama", { model_type: "__proto__" }, "model_type"],
    ["llama", { model_type: undefined }, "model_type"],
    ["llama", { quantization_config: { quant_method: "gptq", bits: 4 } }, "quantization_config"],
    ["qwen3", { num_experts: 8 }, "num_experts"],
    ["mistral", { num_local_experts: 8 }, "num_local_experts"],
    ["llama", { mlp_bias: true }, "mlp_bias"],
    ["mistral", { attention_bias: true }, "attention_bias"],
    ["llama", { rope_parameters: { rope_type: "yarn", factor: 4 } }, "rope_parameters.rope_type"],
    ["llama-old", { rope_scaling: { type: "dynamic", factor: 2 } }, "rope_scaling.rope_type"],
    ["llama-old", { rope_scaling: { rope_type: "longrope" } }, "rope_scaling.rope_type"],
    ["llama-old", { rope_scaling: { type: "linear" } }, "rope_scaling.factor"],
    ["llama-old", { rope_scaling: { type: "linear", factor: "2" } }, "rope_scaling.factor"],
    [
      "llama",
      { rope_parameters: { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 } },
      "rope_parameters.high_freq_factor",
    ],
    [
      "llama",
      { rope_parameters: { full_attention: { rope_type: "default" } } },
      "rope_parameters.full_attention",
    ],
    ["gemma3", { rope_parameters: { rope_type: "default", rope_theta: 1e4 } }, "rope_parameters"],
    ["gemma3", { attn_logit_softcapping: 50 }, "attn_logit_softcapping"],
    ["llama", { partial_rotary_factor: 0.5 }, "partial_rotary_factor"],
    ["llama", { hidden_act: "gelu" }, "hidden_act"],
    ["gemma2", { hidden_activation: "relu" }, "hidden_activation"],
    ["gemma2", { use_bidirectional_attention: true }, "use_bidirectional_attention"],
    ["llama", { hidden_size: 33 }, "hidden_size"],
    ["llama", { hidden_size: "32" }, "hidden_size"],
    ["llama", { hidden_size: -32 }, "hidden_size"],
    ["llama", { num_hidden_layers: 1e9 }, "num_hidden_layers"],
    ["llama", { num_key_value_heads: 3 }, "num_key_value_heads"],
    ["llama", { head_dim: 7 }, "head_dim"],
    ["llama", { rms_norm_eps: 0 }, "rms_norm_eps"],
    ["qwen2", { layer_types: ["full_attention"] }, "layer_types"],
    ["qwen2", { layer_types: ["full_attention", "linear_attention", "full_attention"] }, "layer_types.1"],
    ["qwen2", { use_sliding_window: false }, "sliding_window"],
    ["gemma2", { sliding_window: null }, "sliding_window"],
    ["llama", { layer_types: ["full_attention", "sliding_attention"] }, "layer_types"],
    ["llama-old", { rope_theta: 0 }, "rope_theta"],
  ])("%s %j", (name, changes, field) => {
    const error = (() => {
      try {
        parse(name, changes);
      } catch (caught) {
        return caught;
      }
    })();
    expect(SwirlError.isInstance(error)).toBe(true);
    const { code, details, message, remedy } = error as SwirlError;
    expect({ code, file: details.file, field: details.field }).toEqual({
      code: "CHECKPOINT",
      file: "config.json",
      field,
    });
    expect(message).toContain(field.replace(/\.rope_type$/, ""));
    expect(remedy).toBeTruthy();
  });

  it.each<[string, Record<string, unknown>]>([
    // Dropout only acts in training, and the engine does not use it.
    ["llama", { attention_dropout: 0.1, hidden_dropout: 0.1, resid_pdrop: 0.1 }],
    // Further fields that configs of Llama 3.2, Qwen2.5, SmolLM2 and Gemma 2 have.
    [
      "llama",
      { mlp_bias: false, pretraining_tp: 1, use_cache: true, is_llama_config: true, rope_interleaved: false },
    ],
    ["llama", { tie_word_embeddings: null, pad_token_id: -1, eos_token_id: -1, quantization_config: null }],
    [
      "qwen2",
      {
        use_mrope: false,
        bos_token_id: 151643,
        architectures: ["Qwen2ForCausalLM"],
        "transformers.js_config": {},
      },
    ],
    [
      "gemma2",
      { cache_implementation: "hybrid", hidden_act: "gelu_pytorch_tanh", _attn_implementation: "eager" },
    ],
  ])("%s is the same with %j", (name, changes) => {
    const tiedEmbeddings = parse(name, {}).tiedEmbeddings && !("tie_word_embeddings" in changes);
    expect(parse(name, changes)).toEqual({ ...parse(name, {}), tiedEmbeddings });
  });

  it.each(["", "[]", "null", "{", '{"model_type": "llama", "hidden_size": NaN}'])("text %j", (text) => {
    expect(() => parseModelConfig(text, "config.json")).toThrowError(/config\.json/);
  });

  it("a folder without config.json", async () => {
    await expect(readModelConfig(join(golden, "nowhere"))).rejects.toThrowError(
      /config\.json: cannot be read \(ENOENT\)/,
    );
  });
});
