import { cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { readModelConfig } from "../checkpoint/model-config.js";
import { encodeHeader, headerLength, parseHeader } from "../checkpoint/safetensors.js";
import { readTensorBytes } from "../checkpoint/weight-files.js";
import { parseAdapterConfig } from "./adapter-config.js";
import { openAdapter } from "./adapter-folder.js";
import { resolveWeights } from "./resolve-weights.js";

/** Written by PEFT: scripts/golden/peft_adapters.py. */
const golden = join(import.meta.dirname, "../../../tests/golden");
const base = async (name: string) => (await readModelConfig(join(golden, name))).model;

let folder: string;
const file = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = join(temporaryFolder(), "adapter");
  await cp(join(golden, "peft/llama"), folder, { recursive: true });
});

async function refused(name = "llama"): Promise<SwirlError> {
  const config = await base(name);
  const error = await openAdapter(folder, config).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!SwirlError.isInstance(error)) throw new Error(`it was loaded, or failed with ${String(error)}`);
  expect(error.code).toBe("CHECKPOINT");
  expect(error.details.file).toBeTruthy();
  expect(error.remedy).toBeTruthy();
  return error;
}

async function withConfig(change: Record<string, unknown>): Promise<void> {
  const json = JSON.parse(await readFile(file("adapter_config.json"), "utf8")) as object;
  await writeFile(file("adapter_config.json"), JSON.stringify({ ...json, ...change }));
}

/** The weights with their names and shapes changed; a name that becomes undefined is left out. */
async function withTensors(change: (name: string, shape: number[]) => [string, number[]] | undefined) {
  const path = file("adapter_model.safetensors");
  const bytes = await readFile(path);
  const length = headerLength(bytes.subarray(0, 8), bytes.length, path);
  const { tensors } = parseHeader(bytes.subarray(8, 8 + length), bytes.length, path);
  const kept = tensors.flatMap((entry) => {
    const changed = change(entry.name, entry.shape);
    if (!changed) return [];
    const [name, shape] = changed;
    return [
      { name, shape, dtype: entry.dtype, data: bytes.subarray(entry.offset, entry.offset + entry.bytes) },
    ];
  });
  await writeFile(
    path,
    Buffer.concat([encodeHeader(kept, { format: "pt" }), ...kept.map(({ data }) => data)]),
  );
}

describe("what PEFT wrote", () => {
  it.each([
    ["llama", 10, 4],
    ["qwen2", 21, 3],
    ["gemma3", 8, 2],
  ])("%s: every module with its rank, every tensor with its shape", async (name, modules, rank) => {
    const config = await base(name);
    const adapter = await openAdapter(join(golden, "peft", name), config);
    expect(adapter.modules).toHaveLength(modules);
    expect(adapter.tensors.size).toBe(2 * modules);
    expect(adapter.modules.some((module) => module.rank === rank)).toBe(true);
    for (const { entry, file: weights } of adapter.tensors.values())
      expect((await readTensorBytes(weights, entry)).length).toBe(entry.bytes);
  });

  it("patterns of ranks and alphas, and rsLoRA's scale", async () => {
    const { modules } = await openAdapter(folder, await base("llama"));
    const of = (end: string) => modules.find(({ name }) => name.endsWith(end));
    expect(of("0.self_attn.q_proj")).toMatchObject({ rank: 4, scale: 3 });
    expect(of("1.self_attn.q_proj")).toMatchObject({ rank: 3, scale: 6 / Math.sqrt(3) });
    expect(of("0.mlp.down_proj")).toMatchObject({ rank: 4, scale: 6 });
    expect(of("1.mlp.up_proj")).toMatchObject({ rank: 2, scale: 6 / Math.SQRT2 });
  });

  it("the least config: peft_type and target_modules", () => {
    const text = '{"peft_type": "LORA", "target_modules": ["q_proj"]}';
    expect(parseAdapterConfig(text, "x")).toMatchObject({
      rank: 8,
      alpha: 8,
      rsLora: false,
      base: undefined,
    });
  });

  it("its base, from the folder that the config names", async () => {
    const found = await resolveWeights(join(golden, "peft/llama"), {});
    expect(found).toEqual({
      model: join(golden, "llama"),
      adapter: { folder: join(golden, "peft/llama") },
    });
    const error = await resolveWeights(folder, {}).catch((cause: SwirlError) => cause);
    expect(error).toMatchObject({ code: "CHECKPOINT", details: { field: "base_model_name_or_path" } });
    expect((error as SwirlError).message).toMatch(/--base/);
    const given = await resolveWeights(folder, { base: join(golden, "llama") });
    expect(given.model).toBe(join(golden, "llama"));
  });
});

describe("settings that would change the result", () => {
  it.each([
    ["use_dora", true],
    ["modules_to_save", ["lm_head"]],
    ["bias", "all"],
    ["lora_bias", true],
    ["fan_in_fan_out", true],
    ["trainable_token_indices", [1, 2]],
    ["layer_replication", [[0, 2]]],
    ["init_lora_weights", "pissa"],
    ["init_lora_weights", "olora"],
    ["init_lora_weights", "corda"],
    ["init_lora_weights", "mica"],
    ["init_lora_weights", "loftq"],
    ["peft_type", "ADALORA"],
    ["task_type", "SEQ_CLS"],
    ["alora_invocation_tokens", [5]],
    ["target_parameters", ["mlp.experts"]],
    ["use_qalora", true],
    ["kasa_config", { beta: 1 }],
    ["a_field_of_tomorrow", true],
    ["a_field_of_tomorrow", { on: 1 }],
    ["r", 0],
    ["lora_alpha", "8"],
    ["target_modules", null],
    ["target_modules", ["no_such_module"]],
    ["target_modules", "(a+)+!"],
    ["rank_pattern", { q_proj: -1 }],
  ])("%s: %j", async (field, value) => {
    await withConfig({ [field]: value });
    const error = await refused();
    expect(String(error.details.field).split(".")[0]).toBe(field);
    expect(error.message).toContain(field);
  });

  it.each([
    ["a_field_of_tomorrow", null],
    ["a_field_of_tomorrow", false],
    ["a_field_of_tomorrow", {}],
    ["init_lora_weights", "gaussian"],
    ["init_lora_weights", "eva"],
    ["lora_dropout", 0.1],
    ["revision", "main"],
    ["task_type", null],
  ])("%s: %j is harmless", async (field, value) => {
    await withConfig({ [field]: value });
    await openAdapter(folder, await base("llama"));
  });
});

describe("hostile and broken folders", () => {
  it("another base's adapter", async () => {
    expect((await refused("gemma2")).message).toMatch(/no tensor|shape|no module/);
  });

  it.each([0, 4, 100, 2000, 11_000])("weights truncated to %i bytes", async (bytes) => {
    await truncate(file("adapter_model.safetensors"), bytes);
    await refused();
  });

  it("no weights, or pickled ones", async () => {
    await rm(file("adapter_model.safetensors"));
    expect((await refused()).message).toContain("adapter_model.safetensors");
    await writeFile(file("adapter_model.bin"), "x");
    expect((await refused()).message).toContain("adapter_model.bin");
  });

  it.each(["", "{", "[]", "null", '"LORA"', "{}"])("a config that holds %j", async (text) => {
    await writeFile(file("adapter_config.json"), text);
    await refused();
  });

  it("a tensor too few", async () => {
    await withTensors((name, shape) => (name.includes("1.mlp.up_proj.lora_B") ? undefined : [name, shape]));
    expect((await refused()).details.tensor).toContain("1.mlp.up_proj.lora_B");
  });

  it("a tensor too many, of an embedding", async () => {
    await withTensors((name, shape) => [
      name.includes("1.mlp.up_proj.lora_B") ? "base_model.model.lm_head.lora_B.weight" : name,
      shape,
    ]);
    await withConfig({ exclude_modules: ["layers.1.mlp.up_proj"] });
    expect((await refused()).message).toMatch(/which no module of this base has/);
  });

  it("another shape of as many elements", async () => {
    await withTensors((name, shape) => [
      name,
      name.includes("0.self_attn.q_proj.lora_A") ? shape.toReversed() : shape,
    ]);
    expect((await refused()).details.tensor).toContain("0.self_attn.q_proj.lora_A");
  });

  it("names of no decoder", async () => {
    await withTensors((name, shape) => [name.replace("base_model.model.", ""), shape]);
    expect((await refused()).message).toContain("base_model.model.");
  });

  it("one that is a model and an adapter, when both are given", async () => {
    const model = join(golden, "llama");
    const lora = {
      rank: 8,
      alpha: 16,
      targetModules: "all-linear",
      rsLora: false,
      rankPattern: {},
      alphaPattern: {},
      seed: 0,
    };
    for (const [given, options, field] of [
      [folder, { lora }, "lora"],
      [folder, { adapter: folder }, "adapter"],
      [model, { base: model }, "base"],
      [model, { lora, adapter: folder }, "lora"],
    ] as const)
      await expect(resolveWeights(given, options)).rejects.toMatchObject({
        code: "CONFIG",
        details: { field },
      });
  });
});
