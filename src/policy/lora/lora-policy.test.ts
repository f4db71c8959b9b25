/** Policies with adapters, against what PEFT computed (scripts/golden/peft_adapters.py). */
import { cp, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { writePolicyFolder } from "../../demo/policy-folder.js";
import { NativePolicy } from "../native-policy.js";
import type { TrainSequence } from "../sequences.js";

const golden = join(import.meta.dirname, "../../../tests/golden");
const peft = (name: string) => join(golden, "peft", name);
const options = { device: "cpu", threads: 1 } as const;

let batch: TrainSequence[];
let sequences: { tokens: ArrayLike<number>; actionStart: number }[];
beforeAll(async () => {
  batch = JSON.parse(await readFile(join(golden, "batch.json"), "utf8")) as TrainSequence[];
  sequences = batch.map(({ tokens, actionStart }) => ({ tokens, actionStart }));
});

async function scores(policy: NativePolicy): Promise<number[]> {
  return (await policy.logprobs(sequences)).flatMap((values) => Array.from(values));
}

const distance = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

async function weights(policy: NativePolicy): Promise<Float32Array[]> {
  return await Promise.all(policy.parameters().map(({ name }) => policy.readParameter(name)));
}

describe.each(["llama", "qwen2", "gemma3"])("%s, an adapter that PEFT trained", (name) => {
  it("gives PEFT's log-probs, and so does what is saved and loaded again", async () => {
    const truth = JSON.parse(await readFile(join(peft(name), "logprobs.json"), "utf8")) as number[];
    await using policy = await NativePolicy.load(peft(name), options);
    const found = await scores(policy);
    expect(distance(found, truth)).toBeLessThan(2e-4);
    await using base = await NativePolicy.load(join(golden, name), { ...options, trainable: false });
    expect(await scores(policy.base)).toEqual(await scores(base));
    expect(distance(await scores(base), truth)).toBeGreaterThan(0.5);
    const saved = join(temporaryFolder(), "saved");
    await policy.save(saved);
    await using again = await NativePolicy.load(saved, options);
    expect(await scores(again)).toEqual(found);
    await using other = await NativePolicy.load(join(golden, name), { ...options, adapter: saved });
    expect(await weights(other)).toEqual(await weights(policy));
  });

  it("merges into a model with the same log-probs but for rounding", async () => {
    await using policy = await NativePolicy.load(peft(name), options);
    const found = await scores(policy);
    const folder = join(temporaryFolder(), "merged");
    const report = await policy.merge(folder, { dtype: "float32", probe: sequences });
    expect(report.tokens).toBe(found.length);
    expect(report.maxDifference).toBeLessThan(2e-4);
    await using merged = await NativePolicy.load(folder, options);
    expect(merged.adapterName).toBeUndefined();
    expect(distance(await scores(merged), found)).toBe(report.maxDifference);
    const rounded = await policy.merge(`${folder}-half`, { dtype: "bfloat16" });
    expect(rounded.tokens).toBeGreaterThan(3);
    expect(rounded.maxDifference).toBeGreaterThan(1e-4);
    expect(rounded.maxDifference).toBeLessThan(1);
  });
});

describe("a new adapter", () => {
  it("starts as its base, trains alone, and leaves the base and the others unchanged", async () => {
    await using policy = await NativePolicy.load(join(golden, "llama"), { ...options, lora: { rank: 2 } });
    const before = await scores(policy.base);
    expect(await scores(policy)).toEqual(before);
    expect(policy.isBase).toBe(true);
    const judge = await policy.adapter("judge", { adapter: peft("llama"), trainable: false });
    const judged = await scores(judge);
    expect(judged).not.toEqual(before);
    expect(policy.parameters()).toHaveLength(2 * 14);
    const { gradNorm } = await policy.update(batch, { optimizer: { lr: 1e-2 } });
    expect(gradNorm).toBeGreaterThan(0);
    await policy.update(batch, { optimizer: { lr: 1e-2 } });
    expect(policy.isBase).toBe(false);
    expect(policy.id).toMatch(/^llama@\w{12}\+lora@\w{12}\+2$/);
    const moved = await scores(policy);
    expect(distance(moved, before)).toBeGreaterThan(1e-3);
    expect(await scores(policy.base)).toEqual(before);
    expect(await scores(judge)).toEqual(judged);
    await expect(judge.update(batch)).rejects.toMatchObject({ code: "CONFIG" });
    await expect(policy.base.writeParameter("model.norm.weight", new Float32Array(32))).rejects.toMatchObject(
      {
        code: "CONFIG",
      },
    );
    await judge.dispose();
    await expect(judge.logprobs(sequences)).rejects.toMatchObject({ code: "DISPOSED" });
    expect(await scores(policy)).toEqual(moved);
    await using second = await policy.adapter("judge", { lora: { targetModules: ["q_proj"] } });
    expect(await scores(second)).toEqual(before);
    await expect(policy.adapter("judge", { lora: {} })).rejects.toMatchObject({ code: "INPUT" });
  });

  it("the same seed gives the same weights, another one others", async () => {
    const load = (seed: number) => NativePolicy.load(join(golden, "qwen2"), { ...options, lora: { seed } });
    await using first = await load(3);
    await using again = await load(3);
    await using other = await load(4);
    expect(await weights(again)).toEqual(await weights(first));
    expect(again.id).toBe(first.id);
    expect(other.id).not.toBe(first.id);
  });

  it("samples and scores with the same bits, each adapter by itself", async () => {
    const folder = join(temporaryFolder(), "model");
    await writePolicyFolder(folder, 7);
    await using policy = await NativePolicy.load(folder, { ...options, lora: { rank: 4, alpha: 64 } });
    const context = policy.begin([{ role: "user", content: "What is the guild of it?" }]);
    const batch = [
      { tokens: [...context.tokens!, 5, 6, 7], actionStart: context.tokens!.length, advantage: 1 },
    ];
    for (let step = 0; step < 3; step++) await policy.update(batch, { optimizer: { lr: 0.05 } });
    for (const view of [policy, policy.base, policy]) {
      const [action] = await view.act(context, { maxNewTokens: 12, seed: 1 });
      const [scored] = await view.logprobs([
        { tokens: [...context.tokens!, ...action!.tokens!], actionStart: context.tokens!.length },
      ]);
      expect(distance(Array.from(scored!), Array.from(action!.logprobs!))).toBeLessThan(1e-5);
    }
  });

  it("optimizer state of an adapter is small, and resumes to the bit", async () => {
    const folder = temporaryFolder();
    const lora = { rank: 2 };
    await using policy = await NativePolicy.load(join(golden, "llama"), { ...options, lora });
    await policy.update(batch, { optimizer: { lr: 1e-2 } });
    await policy.save(join(folder, "step"));
    await policy.saveOptimizer(join(folder, "optimizer.safetensors"));
    await policy.update(batch, { optimizer: { lr: 1e-2 } });
    await using resumed = await NativePolicy.load(join(golden, "llama"), { ...options, lora });
    await resumed.loadOptimizer(join(folder, "optimizer.safetensors"));
    await resumed.update(batch, { optimizer: { lr: 1e-2 } });
    expect(await weights(resumed)).toEqual(await weights(policy));
  });
});

describe("what is refused, with nothing half-loaded", () => {
  it("an adapter whose base has other weights of the same shape", async () => {
    const folder = temporaryFolder();
    for (const seed of [1, 2]) await writePolicyFolder(join(folder, `model-${seed}`), seed);
    await using policy = await NativePolicy.load(join(folder, "model-1"), { ...options, lora: {} });
    await policy.save(join(folder, "adapter"));
    const error = { code: "CHECKPOINT", details: { field: "base_model_name_or_path" } };
    const wrong = NativePolicy.load(join(folder, "model-2"), {
      ...options,
      adapter: join(folder, "adapter"),
    });
    await expect(wrong).rejects.toMatchObject(error);
  });

  it("a weight that is not finite, and the name stays free", async () => {
    const folder = join(temporaryFolder(), "adapter");
    await cp(peft("llama"), folder, { recursive: true });
    const file = join(folder, "adapter_model.safetensors");
    const bytes = await readFile(file);
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    await writeFile(file, bytes);
    await using policy = await NativePolicy.load(join(golden, "llama"), { ...options, trainable: false });
    const add = (adapter: string) => policy.adapter("one", { adapter, trainable: false });
    await expect(add(folder)).rejects.toMatchObject({ code: "CHECKPOINT", details: { file } });
    await truncate(file, 900);
    await expect(add(folder)).rejects.toMatchObject({ code: "CHECKPOINT", details: { file } });
    await using _ = await add(peft("llama"));
  });

  it("a base that is trained itself, and folders of the other kind as targets", async () => {
    const folder = temporaryFolder();
    await using full = await NativePolicy.load(join(golden, "llama"), options);
    expect(() => full.base).toThrow(/trains all weights/);
    await expect(full.adapter("x", { lora: {} })).rejects.toMatchObject({ code: "CONFIG" });
    await expect(full.merge(join(folder, "x"))).rejects.toMatchObject({ code: "CONFIG" });
    await using policy = await NativePolicy.load(join(golden, "llama"), { ...options, lora: {} });
    await full.save(join(folder, "model"));
    await expect(policy.save(join(folder, "model"))).rejects.toMatchObject({ code: "CHECKPOINT" });
    await policy.save(join(folder, "adapter"));
    await policy.save(join(folder, "adapter"));
    await expect(full.save(join(folder, "adapter"))).rejects.toMatchObject({ code: "CHECKPOINT" });
  });
});
