/** Saving gives back the folder that was opened, in its own layout, or leaves the old one alone. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import {
  copyOf,
  edit,
  folder,
  golden,
  loaded,
  rejection,
  type Weights,
} from "../../../tests/support/model-folders.js";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { openCheckpoint } from "./checkpoint.js";
import { encodeHeader } from "./safetensors.js";
import { saveCheckpoint, saveNewCheckpoint } from "./save-checkpoint.js";
import { INDEX, readTensorBytes, SINGLE } from "./weight-files.js";

let scratch: string;
beforeAll(() => {
  scratch = temporaryFolder();
});

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
        Buffer.compare(await readTensorBytes(file, entry), await readTensorBytes(before.file, before.entry)),
      ).toBe(0);
    }
  },
);

it("writes what the index uses, once, and a config with its dropout and without its byte-order mark", async () => {
  const files = await copyOf("gemma3");
  const index = JSON.parse(Buffer.from(files[INDEX]!).toString()) as { weight_map: Record<string, string> };
  files["copy.safetensors"] = files[Object.values(index.weight_map)[0]!]!;
  index.weight_map["model.gone.weight"] = "copy.safetensors";
  files[INDEX] = Buffer.from(`\ufeff${JSON.stringify(index)}`);
  edit(files, { attention_dropout: 0.25 });
  files["config.json"] = Buffer.from(`\ufeff${Buffer.from(files["config.json"]!).toString()}`);
  const { checkpoint, weights, hash } = await loaded(await folder(files));
  const target = join(scratch, "indexed");
  await saveCheckpoint(checkpoint, target, weights);
  expect((await loaded(target)).hash).toBe(hash);
  expect(await readdir(target)).not.toContain("copy.safetensors");
  const saved = JSON.parse(await readFile(join(target, INDEX), "utf8")) as typeof index;
  delete index.weight_map["model.gone.weight"];
  expect(saved.weight_map).toEqual(index.weight_map);
  expect(JSON.parse(await readFile(join(target, "config.json"), "utf8")).attention_dropout).toBe(0.25);
});

it("copies tokenizer files and license, and nothing else", async () => {
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
  await mkdir(join(path, "additional_chat_templates"));
  await writeFile(join(path, "additional_chat_templates", "tool_use.jinja"), "y");
  const { checkpoint, weights } = await loaded(path);
  const target = join(scratch, "carried");
  await saveCheckpoint(checkpoint, target, weights);
  await saveCheckpoint(checkpoint, target, weights); // over itself
  expect(await readFile(join(target, "additional_chat_templates", "tool_use.jinja"), "utf8")).toBe("y");
  expect((await readdir(target)).sort()).toEqual(
    [
      "LICENSE",
      "additional_chat_templates",
      "chat_template.jinja",
      "config.json",
      "generation_config.json",
      SINGLE,
      "tokenizer.json",
      "tokenizer_config.json",
    ].sort(),
  );
});

it("in another type, which the config names under the layout's own key", async () => {
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
    otherFiles: { "tokenizer.json": "{}" },
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
  expect([error.code, error.message.includes(file)]).toEqual(["CONFIG", true]);
});

it("finds multimodal Gemma 3's text half under either prefix, and keeps the rest byte for byte", async () => {
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
