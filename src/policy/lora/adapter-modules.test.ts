import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { SwirlError } from "../../errors/swirl-error.js";
import type { ModelConfig } from "../../native/addon.js";
import { parseOptions } from "../../options/parse-options.js";
import { readModelConfig } from "../checkpoint/model-config.js";
import { newModules } from "./adapter-modules.js";
import { initialA } from "./initial-adapter.js";
import { type LoraOptions, loraSchema } from "./lora-options.js";
import { selectNames } from "./module-patterns.js";
import { projectionsOf } from "./projections.js";

let config: ModelConfig;
beforeAll(async () => {
  config = (await readModelConfig(join(import.meta.dirname, "../../../tests/golden/qwen2"))).model;
});

const modules = (lora: LoraOptions) => newModules(parseOptions(loraSchema, lora, "lora"), config);
const names = (lora: LoraOptions) => modules(lora).map(({ name }) => name);

function refused(lora: LoraOptions): SwirlError {
  try {
    modules(lora);
  } catch (error) {
    if (SwirlError.isInstance(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("which matrices have an adapter", () => {
  it("all seven of every layer by default, no embedding", () => {
    const all = names({});
    expect(all).toHaveLength(7 * config.layers);
    expect(all).toEqual(projectionsOf(config).map(({ name }) => name));
    expect(all.some((name) => /embed|head|norm/.test(name))).toBe(false);
  });

  it("names, ends of names, and expressions for whole names", () => {
    expect(names({ targetModules: ["q_proj"] })).toHaveLength(config.layers);
    expect(names({ targetModules: ["layers.0.mlp.up_proj", "model.layers.1.self_attn.v_proj"] })).toEqual([
      "model.layers.0.mlp.up_proj",
      "model.layers.1.self_attn.v_proj",
    ]);
    expect(names({ targetModules: "model\\.layers\\.0\\..*" })).toHaveLength(7);
    expect(names({ targetModules: "ALL-linear" })).toHaveLength(7 * config.layers);
  });

  it("ranks and alphas of single matrices: the first pattern counts, as in PEFT", () => {
    const [q, , , , gate] = modules({
      rank: 2,
      alpha: 4,
      rankPattern: { "layers.0.self_attn.q_proj": 3, "layers\\.\\d+\\.self_attn.*": 1 },
      alphaPattern: { gate_proj: 9 },
    });
    expect(q).toMatchObject({ rank: 3, alpha: 4, scale: 4 / 3 });
    expect(gate).toMatchObject({ rank: 2, alpha: 9, scale: 4.5 });
    expect(modules({ rank: 4, alpha: 6, rsLora: true })[0]).toMatchObject({ scale: 3 });
  });

  it("layers_to_transform restricts ends of names, not whole ones", () => {
    const all = projectionsOf(config).map(({ name }) => name);
    const chosen = (targets: string[], layersPattern?: string[]) =>
      selectNames(all, { targets, layers: [1], layersPattern });
    expect(chosen(["q_proj"])).toEqual(["model.layers.1.self_attn.q_proj"]);
    expect(chosen(["q_proj"], ["layers"])).toEqual(["model.layers.1.self_attn.q_proj"]);
    expect(chosen(["q_proj"], ["blocks"])).toEqual([]);
    expect(chosen(["model.layers.0.self_attn.q_proj"])).toEqual(["model.layers.0.self_attn.q_proj"]);
  });
});

describe("what is refused", () => {
  it.each([
    ["a name that matches nothing", { targetModules: ["q_prj"] }, "lora.targetModules", "q_proj"],
    ["one of several names", { targetModules: ["q_proj", "gate"] }, "lora.targetModules", "gate_proj"],
    ["an expression that matches nothing", { targetModules: "q_proj" }, "lora.targetModules", "q_proj"],
    ["an invalid expression", { targetModules: "*.q_proj" }, "lora.targetModules", "expression"],
    ["an embedding", { targetModules: ["lm_head"] }, "lora.targetModules", "embedding"],
    ["a rank above the layer", { rank: 4096 }, "lora.rank", "smaller side"],
    ["a pattern's rank above the layer", { rankPattern: { q_proj: 999 } }, "lora.rankPattern", "999"],
    ["a pattern of no matrix", { rankPattern: { q_prj: 1 } }, "lora.rankPattern", "q_proj"],
    ["alphas of no matrix", { alphaPattern: { lm_head: 1 } }, "lora.alphaPattern", "lm_head"],
  ])("%s", (_, lora, field, says) => {
    const error = refused(lora as LoraOptions);
    expect(error.code).toBe("CONFIG");
    expect(error.details.field).toBe(field);
    expect(error.message).toContain(says);
  });

  it.each([
    { rank: 0 },
    { rank: 1.5 },
    { rank: -1 },
    { alpha: 0 },
    { alpha: Number.NaN },
    { seed: -1 },
    { r: 8 },
  ])("options %o", (lora) => {
    expect(refused(lora as LoraOptions).code).toBe("CONFIG");
  });

  it("an expression that never ends, in a second", () => {
    const started = performance.now();
    const error = refused({ targetModules: "((\\w|\\.)+)+!" });
    expect(error.message).toContain("takes more than");
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe("the first A", () => {
  const [projection] = projectionsOf({ ...({} as ModelConfig), ...fake() });

  it("is uniform in ±1/√in", () => {
    const values = initialA({ name: "x", in: 400, out: 8 }, 3, 50, 1);
    const bound = 1 / 20;
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    expect(Math.max(...values.map(Math.abs))).toBeLessThan(bound);
    expect(Math.abs(mean)).toBeLessThan(0.02 * bound);
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(0.03);
    expect(new Set(values).size).toBeGreaterThan(19_000);
  });

  it("depends on seed and matrix, and a row on nothing else", () => {
    const first = initialA(projection!, 0, 2, 7);
    expect(initialA(projection!, 0, 2, 7)).toEqual(first);
    expect(initialA(projection!, 0, 4, 7).subarray(0, first.length)).toEqual(first);
    for (const other of [
      initialA(projection!, 1, 2, 7),
      initialA(projection!, 0, 2, 8),
      initialA(projection!, 0, 2, 7 + 2 ** 32),
    ])
      expect(other).not.toEqual(first);
  });
});

function fake(): ModelConfig {
  return {
    layers: 1,
    width: 33,
    heads: 2,
    kvHeads: 1,
    headDim: 16,
    intermediate: 40,
    vocab: 9,
  } as ModelConfig;
}
