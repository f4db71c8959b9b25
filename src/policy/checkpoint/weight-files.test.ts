/** The weight files of a folder: damaged and hostile ones are refused, with the file and the remedy. */
import { describe, expect, it } from "vitest";
import { copyOf, folder, rejection } from "../../../tests/support/model-folders.js";
import { openCheckpoint } from "./checkpoint.js";
import { INDEX, openWeightFiles, SINGLE } from "./weight-files.js";

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
  ["not safetensors", "llama", (f) => (f[SINGLE] = Buffer.from("<html>not found</html>")), /claims a header/],
  [
    "missing shard",
    "gemma3",
    (f) => delete f["model-00002-of-00002.safetensors"],
    /00002-of-00002\.safetensors: is missing, but/,
  ],
  ["index is not JSON", "gemma3", (f) => (f[INDEX] = Buffer.from("{")), /index\.json: is not JSON/],
  ["index without a map", "gemma3", (f) => (f[INDEX] = Buffer.from("{}")), /weight_map/],
  ["map to a number", "gemma3", (f) => (f[INDEX] = Buffer.from('{"weight_map":{"a":1}}')), /weight_map\.a/],
];
it.each(broken)("%s", async (_, name, damage, message) => {
  const files = await copyOf(name);
  damage(files);
  const error = await rejection(openWeightFiles(await folder(files)));
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
  const error = await rejection(openWeightFiles(await folder(files)));
  expect(error.message).toContain("is not a .safetensors file of this folder");
  expect(error.details.tensor).toBe("model.norm.weight");
});

describe("the index decides", () => {
  const sharded = async () => {
    const files = await copyOf("gemma3");
    const { weight_map: map } = JSON.parse(Buffer.from(files[INDEX]!).toString()) as {
      weight_map: Record<string, string>;
    };
    return { files, map };
  };
  const opened = async ({ files, map }: Awaited<ReturnType<typeof sharded>>) => {
    files[INDEX] = Buffer.from(JSON.stringify({ weight_map: map }));
    return folder(files);
  };

  it("over a tensor that two shards hold", async () => {
    const model = await sharded();
    const [first] = Object.values(model.map);
    model.files["copy.safetensors"] = model.files[first!]!;
    model.map["model.copied.weight"] = "copy.safetensors";
    const { files, tensors } = await openWeightFiles(await opened(model));
    expect([...tensors.values()].some(({ file }) => file.name === "copy.safetensors")).toBe(false);
    expect(files.find(({ name }) => name === "copy.safetensors")!.tensors).toEqual([]);
    expect(tensors.has("model.copied.weight")).toBe(false);
  });

  it("over a tensor that it does not name", async () => {
    const model = await sharded();
    delete model.map["model.norm.weight"];
    expect((await openWeightFiles(await opened(model))).tensors.has("model.norm.weight")).toBe(false);
    // The model needs this one, and says so.
    const error = await rejection(openCheckpoint(await opened(model)));
    expect(error.message).toMatch(/has no tensor "model.norm.weight"/);
  });

  it("and a head that only it names is no part of a tied model", async () => {
    const model = await sharded();
    model.map["lm_head.weight"] = Object.values(model.map)[0]!;
    const checkpoint = await openCheckpoint(await opened(model));
    expect([checkpoint.config.model.tiedEmbeddings, checkpoint.redundantHead]).toEqual([true, undefined]);
  });
});
