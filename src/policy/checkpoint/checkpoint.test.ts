/** Opening a folder and reading its weights; the errors for weights that do not fit the config. */
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  copyOf,
  edit,
  folder,
  golden,
  loaded,
  rejection,
  Weights,
} from "../../../tests/support/model-folders.js";
import { loadWeights, openCheckpoint, readParameter } from "./checkpoint.js";
import { float16ToFloat32 } from "./element-types.js";
import { parametersOf } from "./parameter-names.js";
import { encodeHeader } from "./safetensors.js";
import { readTensorBytes, SINGLE } from "./weight-files.js";

describe("loading", () => {
  it.each(["llama", "llama-old", "mistral", "qwen2", "qwen2-old", "qwen3-old", "gemma2", "gemma3"])(
    "%s: every parameter, in a type the engine takes",
    async (name) => {
      const { checkpoint, weights } = await loaded(join(golden, name));
      const expected = parametersOf(checkpoint.config.model);
      expect([...weights.held.keys()]).toEqual(expected.map((parameter) => parameter.name));
      for (const { name: parameter, shape } of expected) {
        const { dtype, data } = weights.held.get(parameter)!;
        expect(data.length).toBe(shape.reduce((x, y) => x * y) * (dtype === "bfloat16" ? 2 : 4));
      }
    },
  );

  it("widens float16", async () => {
    const checkpoint = await openCheckpoint(join(golden, "qwen2-old"));
    const stored = checkpoint.parameters.get("model.norm.weight")!;
    expect(stored.entry.dtype).toBe("F16");
    const { dtype, data } = await readParameter(checkpoint, "model.norm.weight");
    expect([dtype, [...data]]).toEqual([
      "float32",
      [...float16ToFloat32(await readTensorBytes(stored.file, stored.entry))],
    ]);
  });

  it("names the parameter that is not there", async () => {
    const checkpoint = await openCheckpoint(join(golden, "llama"));
    expect((await rejection(readParameter(checkpoint, "model.layers.9.x"))).code).toBe("INPUT");
  });

  it("stops when aborted", async () => {
    const checkpoint = await openCheckpoint(join(golden, "llama"));
    const options = { signal: AbortSignal.abort() };
    expect((await rejection(loadWeights(checkpoint, new Weights(), options))).code).toBe("ABORTED");
  });

  it("follows the links of the hub's cache", async () => {
    const path = await folder({});
    for (const file of ["config.json", SINGLE]) await symlink(join(golden, "llama", file), join(path, file));
    expect((await openCheckpoint(path)).parameters.size).toBe(21);
  });
});

describe("weights that do not fit the config", () => {
  const broken: [string, string, (files: Record<string, Uint8Array>) => void, RegExp][] = [
    [
      "other layer count",
      "llama",
      (f) => edit(f, { num_hidden_layers: 1 }),
      /which does not exist in a model with this config\.json/,
    ],
    ["more layers", "llama", (f) => edit(f, { num_hidden_layers: 3 }), /no tensor "model\.layers\.2\./],
    [
      "other vocabulary",
      "llama",
      (f) => edit(f, { vocab_size: 97 }),
      /embed_tokens\.weight" has shape \[96,32\], but config\.json requires \[97,32\]/,
    ],
    [
      "biases that the config does not have",
      "llama-old",
      (f) => edit(f, { attention_bias: false }),
      /_proj\.bias", which does not exist/,
    ],
    ["missing biases", "llama", (f) => edit(f, { attention_bias: true }), /no tensor .*q_proj\.bias/],
    ["missing head", "qwen3", (f) => edit(f, { tie_word_embeddings: false }), /no tensor "lm_head\.weight"/],
    [
      "adapter only",
      "llama",
      (f) => (f[SINGLE] = encodeHeader([], {}) as Buffer),
      /none of them an embedding/,
    ],
  ];
  it.each(broken)("%s", async (_, name, damage, message) => {
    const files = await copyOf(name);
    damage(files);
    const error = await rejection(openCheckpoint(await folder(files)));
    expect(error.message).toMatch(message);
    expect([error.code, Boolean(error.details.file), Boolean(error.remedy)]).toEqual([
      "CHECKPOINT",
      true,
      true,
    ]);
  });

  it("weights of a type the engine does not take", async () => {
    const { checkpoint } = await loaded(join(golden, "llama"));
    const tensors = [...checkpoint.parameters.values()].map(({ entry: { name, shape } }) => ({
      name,
      shape,
      dtype: "I8" as const,
    }));
    const data = tensors.map(({ shape }) => new Uint8Array(shape.reduce((x, y) => x * y)));
    const path = await folder({
      ...(await copyOf("llama")),
      [SINGLE]: Buffer.concat([encodeHeader(tensors, {}), ...data]),
    });
    expect((await rejection(openCheckpoint(path))).message).toMatch(
      /is I8\n {2}→ weights must be F32, BF16 or F16/,
    );
  });

  it("a separate head under tied embeddings", async () => {
    const { checkpoint } = await loaded(join(golden, "llama"));
    const files = await copyOf("llama");
    edit(files, { tie_word_embeddings: true });
    const path = await folder(files);
    expect(checkpoint.redundantHead).toBeUndefined();
    const error = await rejection(loaded(path));
    expect(error.message).toMatch(/"lm_head\.weight" differs from "model\.embed_tokens\.weight"/);
    expect(error.details.field).toBe("tie_word_embeddings");
  });
});
