/** Opening and saving whole folders: layouts, element types, names, and what damaged or hostile folders get. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SwirlError } from "../../errors/swirl-error.js";
import { type Checkpoint, loadWeights, openCheckpoint, readParameter } from "./checkpoint.js";
import { float16ToFloat32 } from "./element-types.js";
import { parametersOf } from "./parameter-names.js";
import { encodeHeader } from "./safetensors.js";
import { saveCheckpoint, saveNewCheckpoint } from "./save-checkpoint.js";
import { INDEX, readTensorBytes, SINGLE } from "./weight-files.js";

const golden = join(import.meta.dirname, "../../../tests/golden");
let scratch = "";
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "swirl-checkpoint-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

let folders = 0;
async function folder(files: Record<string, string | Uint8Array>): Promise<string> {
  const path = join(scratch, `f${folders++}`);
  await mkdir(path);
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return path;
}

/** A golden checkpoint's files, to be damaged. */
async function copyOf(name: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const file of await readdir(join(golden, name))) {
    if (!file.startsWith("expected")) files[file] = await readFile(join(golden, name, file));
  }
  return files;
}

/** Holds weights in float32 and bfloat16 alike, as the engine does. */
class Weights {
  readonly held = new Map<string, { dtype: string; data: Uint8Array }>();
  async writeTensor(name: string, _kind: unknown, dtype: string, data: Uint8Array): Promise<void> {
    this.held.set(name, { dtype, data });
  }
  async readTensor(name: string, _kind: unknown, dtype: string): Promise<Uint8Array> {
    const { dtype: stored, data } = this.held.get(name)!;
    if (stored === dtype) return data;
    if (dtype === "float32") {
      const wide = new Uint8Array(data.length * 2);
      for (let i = 0; i < data.length; i += 2) wide.set(data.subarray(i, i + 2), 2 * i + 2);
      return wide;
    }
    const narrow = new Uint8Array(data.length / 2); // exact: golden weights are bfloat16 numbers
    for (let i = 0; i < data.length; i += 4) narrow.set(data.subarray(i + 2, i + 4), i / 2);
    return narrow;
  }
}

async function loaded(path: string): Promise<{ checkpoint: Checkpoint; weights: Weights; hash: string }> {
  const checkpoint = await openCheckpoint(path);
  const weights = new Weights();
  return { checkpoint, weights, hash: await loadWeights(checkpoint, weights) };
}

async function rejection(promise: Promise<unknown>): Promise<SwirlError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(SwirlError.isInstance(error), String(error)).toBe(true);
  return error as SwirlError;
}

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

describe("saving", () => {
  it.each(["llama", "llama-old", "qwen2-old", "gemma2", "gemma3"])(
    "%s: the same files, byte for byte",
    async (name) => {
      const { checkpoint, weights, hash } = await loaded(join(golden, name));
      const target = join(scratch, `saved-${name}`);
      await saveCheckpoint(checkpoint, target, weights);
      const source = Object.keys(await copyOf(name)).sort();
      expect((await readdir(target)).sort()).toEqual(source);
      expect((await loaded(target)).hash).toBe(hash);
      expect(await readFile(join(target, "config.json"), "utf8")).toBe(
        await readFile(join(golden, name, "config.json"), "utf8"),
      );
      for (const { entry, file, name: parameter } of (await openCheckpoint(target)).parameters.values()) {
        const before = checkpoint.parameters.get(parameter)!;
        expect([entry.name, entry.dtype, file.name]).toEqual([
          before.entry.name,
          before.entry.dtype,
          before.file.name,
        ]);
        expect(
          Buffer.compare(
            await readTensorBytes(file, entry),
            await readTensorBytes(before.file, before.entry),
          ),
        ).toBe(0);
      }
    },
  );

  it("carries tokenizer files and licence along, and nothing else", async () => {
    const path = await folder({
      ...(await copyOf("mistral")),
      "tokenizer.json": "{}",
      "tokenizer_config.json": "{}",
      "chat_template.jinja": "x",
      "generation_config.json": "{}",
      LICENSE: "text",
      "pytorch_model.bin": "old",
      "notes.txt": "mine",
    });
    const { checkpoint, weights } = await loaded(path);
    const target = join(scratch, "carried");
    await saveCheckpoint(checkpoint, target, weights);
    expect((await readdir(target)).sort()).toEqual(
      [
        "LICENSE",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        SINGLE,
        "tokenizer.json",
        "tokenizer_config.json",
      ].sort(),
    );
  });

  it("in another type, said in the config under the layout's own name", async () => {
    for (const [name, field] of [
      ["gemma2", "dtype"],
      ["llama-old", "torch_dtype"],
    ] as const) {
      const { checkpoint, weights } = await loaded(join(golden, name));
      const dtype = name === "gemma2" ? "bfloat16" : "float32";
      const target = join(scratch, `retyped-${name}`);
      await saveCheckpoint(checkpoint, target, weights, { dtype });
      const again = await loaded(target);
      expect(again.checkpoint.config.json[field]).toBe(dtype);
      for (const [parameter, { data }] of again.weights.held) {
        expect(Buffer.compare(data, await weights.readTensor(parameter, "weight", dtype))).toBe(0);
      }
    }
  });

  it("floats stay floats in config.json", async () => {
    const { checkpoint, weights } = await loaded(join(golden, "gemma2"));
    const retyped = join(scratch, "floats");
    await saveCheckpoint(checkpoint, retyped, weights, { dtype: "bfloat16" });
    expect(await readFile(join(retyped, "config.json"), "utf8")).toContain('"final_logit_softcapping": 4.0');
    const fresh = join(scratch, "fresh-floats");
    await saveNewCheckpoint({ ...checkpoint.config.json, dtype: "?" }, fresh, weights, { dtype: "bfloat16" });
    const text = await readFile(join(fresh, "config.json"), "utf8");
    expect(text).toMatch(/"final_logit_softcapping": 4\.0,/);
    expect(JSON.parse(text)).toEqual({ ...checkpoint.config.json, dtype: "bfloat16" });
  });

  it("adds a type to a config.json that names none", async () => {
    const files = await copyOf("llama");
    edit(files, { dtype: undefined });
    const { checkpoint, weights } = await loaded(await folder(files));
    const target = join(scratch, "typed");
    await saveCheckpoint(checkpoint, target, weights, { dtype: "bfloat16" });
    expect((await openCheckpoint(target)).config.json).toEqual({
      ...checkpoint.config.json,
      dtype: "bfloat16",
    });
  });

  it("refuses float16 for a weight that float16 cannot hold", async () => {
    const { checkpoint, weights } = await loaded(join(golden, "qwen2-old"));
    const name = "model.norm.weight";
    const values = new Float32Array((await weights.readTensor(name, "weight", "float32")).slice().buffer);
    values[3] = 1e6;
    weights.held.set(name, { dtype: "float32", data: new Uint8Array(values.buffer) });
    const target = join(scratch, "too-big");
    const error = await rejection(saveCheckpoint(checkpoint, target, weights));
    expect([error.code, error.details.tensor]).toEqual(["NUMERICS", name]);
    await expect(readdir(target)).rejects.toThrowError(/ENOENT/);
  });

  it("a new model, and over an old one of another layout", async () => {
    const source = await loaded(join(golden, "gemma3"));
    const target = join(scratch, "over");
    await saveCheckpoint(source.checkpoint, target, source.weights);
    await writeFile(join(target, "mine.txt"), "kept");
    await saveNewCheckpoint(source.checkpoint.config.json, target, source.weights, {
      dtype: "float32",
      beside: { "tokenizer.json": "{}" },
    });
    expect((await readdir(target)).sort()).toEqual(["config.json", "mine.txt", SINGLE, "tokenizer.json"]);
    const single = await loaded(target);
    expect(single.checkpoint.weights.sharded).toBe(false);
    await saveCheckpoint(source.checkpoint, target, source.weights);
    expect((await loaded(target)).hash).toBe(source.hash);
    expect(await readdir(target)).not.toContain(SINGLE);
  });

  it("onto the folder it was loaded from", async () => {
    const path = await folder(await copyOf("llama-old"));
    const { checkpoint, weights, hash } = await loaded(path);
    await saveCheckpoint(checkpoint, path, weights);
    expect((await loaded(path)).hash).toBe(hash);
  });

  it.each([0, 1, 7, 20])("a failure at tensor %i leaves the old weights and no trace", async (at) => {
    for (const name of ["llama", "gemma3"]) {
      const { checkpoint, weights, hash } = await loaded(join(golden, name));
      const parent = await folder({});
      const target = join(parent, "model");
      await saveCheckpoint(checkpoint, target, weights);
      let reads = 0;
      const failing = {
        readTensor: async (...args: Parameters<Weights["readTensor"]>) => {
          if (reads++ === at) throw new SwirlError("DISPOSED", "the engine is gone");
          return new Uint8Array((await weights.readTensor(...args)).length);
        },
      };
      expect((await rejection(saveCheckpoint(checkpoint, target, failing))).code).toBe("DISPOSED");
      expect((await loaded(target)).hash).toBe(hash);
      const absent = join(parent, "absent");
      await rejection(
        saveCheckpoint(checkpoint, absent, {
          readTensor: () => Promise.reject(new SwirlError("DISPOSED", "x")),
        }),
      );
      expect(await readdir(parent)).toEqual(["model"]);
    }
  });

  it("says where it could not write", async () => {
    const { checkpoint, weights } = await loaded(join(golden, "llama"));
    const file = join(await folder({ here: "a file" }), "here");
    const error = await rejection(saveCheckpoint(checkpoint, join(file, "model"), weights));
    expect([error.code, error.details.errno]).toEqual(["CHECKPOINT", "ENOTDIR"]);
  });
});

describe("multimodal Gemma 3", () => {
  it("finds the text half under either prefix, and keeps the rest byte for byte", async () => {
    const source = await openCheckpoint(join(golden, "gemma3"));
    for (const [prefix, head] of [
      ["language_model.model.", "language_model.lm_head.weight"],
      ["model.language_model.", "lm_head.weight"],
    ] as const) {
      const tensors = await Promise.all(
        [...source.parameters.values()].map(async ({ entry, file }) => ({
          name: entry.name.replace(/^model\./, prefix),
          dtype: entry.dtype,
          shape: entry.shape,
          bytes: await readTensorBytes(file, entry),
        })),
      );
      tensors.push({ ...tensors[0]!, name: head });
      tensors.push({
        name: "vision_tower.x",
        dtype: "F32",
        shape: [2],
        bytes: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
      });
      const path = await folder({
        "config.json": JSON.stringify({ model_type: "gemma3", text_config: source.config.json }),
        [SINGLE]: Buffer.concat([encodeHeader(tensors, {}), ...tensors.map(({ bytes }) => bytes)]),
      });
      const { checkpoint, weights } = await loaded(path);
      expect([...checkpoint.parameters.keys()]).toEqual([...source.parameters.keys()]);
      const target = join(scratch, `multimodal-${head}`);
      await saveCheckpoint(checkpoint, target, weights);
      expect(await readFile(join(target, SINGLE))).toEqual(
        Buffer.concat([encodeHeader(tensors, { format: "pt" }), ...tensors.map(({ bytes }) => bytes)]),
      );
    }
  });
});

describe("damaged and hostile folders", () => {
  const broken: [string, string, (files: Record<string, Uint8Array>) => void, RegExp][] = [
    ["no weights", "llama", (f) => delete f[SINGLE], /has neither model\.safetensors nor/],
    [
      "truncated",
      "llama",
      (f) => (f[SINGLE] = f[SINGLE]!.subarray(0, -10)),
      /model\.safetensors: tensor .* lies at bytes/,
    ],
    [
      "oversized",
      "llama",
      (f) => (f[SINGLE] = Buffer.concat([f[SINGLE]!, new Uint8Array(3)])),
      /3 bytes after its last/,
    ],
    ["empty", "llama", (f) => (f[SINGLE] = new Uint8Array(0)), /has 0 bytes/],
    [
      "not safetensors",
      "llama",
      (f) => (f[SINGLE] = Buffer.from("<html>not found</html>")),
      /claims a header/,
    ],
    [
      "missing shard",
      "gemma3",
      (f) => delete f["model-00002-of-00002.safetensors"],
      /00002-of-00002\.safetensors: is missing, but/,
    ],
    ["index is not JSON", "gemma3", (f) => (f[INDEX] = Buffer.from("{")), /index\.json: is not JSON/],
    ["index without a map", "gemma3", (f) => (f[INDEX] = Buffer.from("{}")), /weight_map/],
    ["map to a number", "gemma3", (f) => (f[INDEX] = Buffer.from('{"weight_map":{"a":1}}')), /weight_map\.a/],
    [
      "other layer count",
      "llama",
      (f) => edit(f, { num_hidden_layers: 1 }),
      /for which config\.json has no place/,
    ],
    ["more layers", "llama", (f) => edit(f, { num_hidden_layers: 3 }), /no tensor "model\.layers\.2\./],
    [
      "other vocabulary",
      "llama",
      (f) => edit(f, { vocab_size: 97 }),
      /embed_tokens\.weight" has shape \[96,32\], but config\.json makes it \[97,32\]/,
    ],
    [
      "biases without a place",
      "llama-old",
      (f) => edit(f, { attention_bias: false }),
      /_proj\.bias", for which/,
    ],
    [
      "biases that are missing",
      "llama",
      (f) => edit(f, { attention_bias: true }),
      /no tensor .*q_proj\.bias/,
    ],
    [
      "head that is missing",
      "qwen3",
      (f) => edit(f, { tie_word_embeddings: false }),
      /no tensor "lm_head\.weight"/,
    ],
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

  it.each([
    "../llama/model.safetensors",
    "/etc/passwd",
    "a/b.safetensors",
    "..",
    "c:\\x.safetensors",
    "x.bin",
    ".safetensors",
    "a\0.safetensors",
  ])("an index that points to %j", async (shard) => {
    const files = await copyOf("gemma3");
    files[INDEX] = Buffer.from(JSON.stringify({ weight_map: { "model.norm.weight": shard } }));
    const error = await rejection(openCheckpoint(await folder(files)));
    expect(error.message).toContain("is not a .safetensors file of this folder");
    expect(error.details.tensor).toBe("model.norm.weight");
  });

  it("a tensor that is not in its shard, or in two", async () => {
    const files = await copyOf("gemma3");
    const index = JSON.parse(Buffer.from(files[INDEX]!).toString());
    const [first] = Object.values(index.weight_map) as string[];
    index.weight_map["model.extra.weight"] = first;
    files[INDEX] = Buffer.from(JSON.stringify(index));
    const missing = await rejection(openCheckpoint(await folder(files)));
    expect([missing.message, missing.details.tensor]).toEqual([
      expect.stringMatching(/does not hold tensor/),
      "model.extra.weight",
    ]);
    delete index.weight_map["model.extra.weight"];
    index.weight_map.more = "copy.safetensors";
    files["copy.safetensors"] = files[first!]!;
    files[INDEX] = Buffer.from(JSON.stringify(index));
    expect((await rejection(openCheckpoint(await folder(files)))).message).toMatch(
      /holds tensor .* which .* holds too/,
    );
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

function edit(files: Record<string, Uint8Array>, changes: Record<string, unknown>): void {
  const json = JSON.parse(Buffer.from(files["config.json"]!).toString());
  files["config.json"] = Buffer.from(JSON.stringify({ ...json, ...changes }));
}
