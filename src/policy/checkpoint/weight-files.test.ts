/** The weight files of a folder: damaged and hostile ones are refused, with the file and the remedy. */
import { expect, it } from "vitest";
import { copyOf, folder, rejection } from "../../../tests/support/model-folders.js";
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

it("a tensor that is not in its shard, or in two", async () => {
  const files = await copyOf("gemma3");
  const index = JSON.parse(Buffer.from(files[INDEX]!).toString());
  const [first] = Object.values(index.weight_map) as string[];
  index.weight_map["model.extra.weight"] = first;
  files[INDEX] = Buffer.from(JSON.stringify(index));
  const missing = await rejection(openWeightFiles(await folder(files)));
  expect([missing.message, missing.details.tensor]).toEqual([
    expect.stringMatching(/does not hold tensor/),
    "model.extra.weight",
  ]);
  delete index.weight_map["model.extra.weight"];
  index.weight_map.more = "copy.safetensors";
  files["copy.safetensors"] = files[first!]!;
  files[INDEX] = Buffer.from(JSON.stringify(index));
  expect((await rejection(openWeightFiles(await folder(files)))).message).toMatch(
    /holds tensor .* which .* holds too/,
  );
});
