/**
 * Adapters of one base: what they leave alone (the base, each other), what they hold, what is refused. Their arithmetic
 * is compared with peft in tests/parity/adapter.test.ts.
 */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import type {
  EngineOptions,
  NativeAdapterModule,
  NativeAdapterOptions,
  TensorKind,
} from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { testDevice } from "../parity/golden.js";
import {
  addTinyAdapter,
  fillWeights,
  tinyBatch,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  tinySampling,
} from "./tiny-model.mjs";

const PROJECTIONS = [
  "self_attn.q_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "mlp.up_proj",
  "mlp.down_proj",
];
const modules: NativeAdapterModule[] = [0, 1].flatMap((layer) =>
  PROJECTIONS.map((part, i) => ({
    name: `model.layers.${layer}.${part}`,
    rank: 1 + (i % 3),
    scale: 0.5 + i,
  })),
);
const batch = tinyBatch(4);
const scored = { temperature: 1, tree: true };
const prompt = { tokens: batch[0]!.tokens.slice(0, 40), seed: 3n, maxNewTokens: 12 };

let engine: Engine;
afterEach(() => engine?.dispose());

async function open(options: Partial<EngineOptions> = {}): Promise<Engine> {
  engine = new Engine({ ...tinyOptions(), device: testDevice, trainable: false, ...options });
  await fillWeights(engine);
  return engine;
}

const add = (name: string, options?: Parameters<typeof addTinyAdapter>[3]) =>
  addTinyAdapter(engine, name, modules, options);

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer);
const update = (adapter: string) =>
  engine.update(batch, tinyLoss(), tinyOptimizer({ lr: 0.01 }), { adapter });
const logprobs = (adapter?: string) => engine.logprobs(batch, scored, adapter ? { adapter } : undefined);
const generate = (adapter?: string) =>
  engine.generate([prompt], tinySampling({ n: 3 }), adapter ? { adapter } : undefined);

/** A digest of every tensor of these kinds. */
async function everything(adapter?: string, kinds: TensorKind[] = ["weight"]): Promise<string> {
  const hash = createHash("sha256");
  for (const kind of kinds)
    for (const { name } of engine.parameters(adapter))
      hash.update(await engine.readTensor(name, kind, "float32", undefined, undefined, adapter));
  return hash.digest("hex");
}

describe.each(["float32", "bfloat16"] as const)("%s", (dtype) => {
  it("with B zero computes what the base does, to the bit", async () => {
    await open({ dtype });
    const base = [await logprobs(), (await generate()).completions];
    await add("new", { b: false });
    expect([await logprobs("new"), (await generate("new")).completions]).toEqual(base);
    await update("new");
    expect(await logprobs("new")).not.toEqual(base[0]);
  });

  it("trains without a bit of change in the base, in another adapter, or in what they sample", async () => {
    await open({ dtype });
    await add("first");
    await add("second", { seed: 9 });
    const state = async (adapter?: string) => {
      const { completions } = await generate(adapter);
      // oneDNN's bits depend on how many rows a product has, and so on what is in the cache.
      return [await logprobs(adapter), ...(engine.exact ? [completions] : [])];
    };
    const [base, first, second] = [await state(), await state("first"), await state("second")];
    const weights = [await everything(), await everything("second")];
    await update("first");
    await update("first");
    // Rows that the base and the other adapter have in the cache are still theirs; this one's are gone.
    const again = await generate("second");
    expect(again.stats.prefillTokens).toBe(1);
    expect((await generate("first")).stats.prefillTokens).toBe(prompt.tokens.length);
    expect([await state(), await state("second")]).toEqual([base, second]);
    expect(await state("first")).not.toEqual(first);
    expect([await everything(), await everything("second")]).toEqual(weights);
    expect([engine.optimizerStep(), engine.optimizerStep("first"), engine.optimizerStep("second")]).toEqual([
      0, 2, 0,
    ]);

    // Trained in turns, each is what it is when trained alone.
    await update("second");
    await update("first");
    await update("second");
    const kinds: TensorKind[] = ["weight", "gradient", "adam_m", "adam_v"];
    const together = [await everything("first", kinds), await everything("second", kinds)];
    engine.dispose();
    for (const [i, [name, seed, updates]] of (
      [
        ["first", 5, 3],
        ["second", 9, 2],
      ] as const
    ).entries()) {
      await open({ dtype });
      await add(name, { seed });
      for (let n = 0; n < updates; n++) await update(name);
      expect(await everything(name, kinds)).toEqual(together[i]);
      engine.dispose();
    }
  });
});

it("samples with the weights that an update left, not with rows of those before", async () => {
  await open();
  await add("policy");
  await generate("policy");
  await update("policy");
  const sampled = (await generate("policy")).completions[0]!;
  const sequences = sampled.map(({ tokens }) => ({
    tokens: Int32Array.from([...prompt.tokens, ...tokens]),
    actionStart: prompt.tokens.length,
  }));
  if (!engine.exact) return;
  const trained = await engine.logprobs(sequences, scored, { adapter: "policy" });
  expect(trained).toEqual(sampled.map(({ logprobs }) => logprobs));
});

it("holds the base once, in the compute type, and never a gradient or moment of it", async () => {
  const config = { ...tinyConfig(), intermediate: 4096 };
  await open({ config, dtype: "bfloat16" });
  const elements = (parameters: { shape: number[] }[]) =>
    parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const matrices = engine.parameters().filter(({ shape }) => shape.length === 2);
  const vectors = engine.parameters().filter(({ shape }) => shape.length === 1);
  const base = 2 * elements(matrices) + 4 * elements(vectors);
  const idle = engine.memory().bytes;
  expect(idle).toBe(base);
  await add("policy");
  const columns = modules.reduce((sum, { rank }) => sum + rank, 0);
  const small = elements(engine.parameters("policy"));
  expect(engine.memory().bytes - idle).toBe(6 * small + 4 * columns);
  await engine.update(tinyBatch(1, 16), tinyLoss(), tinyOptimizer(), { adapter: "policy" });
  // The rest is activations of 16 rows: less than the least that a gradient of the base could take.
  expect(engine.memory().peakBytes - base - 18 * small).toBeLessThan(2 * elements(matrices));
  for (const kind of ["gradient", "adam_m", "adam_v"] as TensorKind[]) {
    const { name, shape } = matrices[1]!;
    await expect(engine.readTensor(name, kind, "float32")).rejects.toMatchObject({ code: "INPUT" });
    const zeros = new Uint8Array(4 * elements([{ shape }]));
    await expect(engine.writeTensor(name, kind, "float32", zeros)).rejects.toMatchObject({ code: "INPUT" });
  }
  expect(engine.memory().peakBytes - base - 18 * small).toBeLessThan(2 * elements(matrices));
  await expect(engine.update(batch, tinyLoss(), tinyOptimizer())).rejects.toMatchObject({ code: "INPUT" });
  await engine.removeAdapter("policy");
  const { bytes } = engine.memory();
  await add("policy");
  expect(engine.memory().bytes - bytes).toBe(6 * small + 4 * columns);
});

it("stays within the budget: what does not fit is refused with MEMORY, and nothing is added", async () => {
  await open();
  const { bytes } = engine.memory();
  engine.dispose();
  await open({ memoryBudget: bytes + 64_000 });
  const large = modules.map((module) => ({ ...module, rank: 30 }));
  const added = engine.addAdapter("large", { modules: large, trainable: true });
  await expect(added).rejects.toMatchObject({ code: "MEMORY" });
  expect(engine.memory().bytes).toBe(bytes);
  expect(() => engine.parameters("large")).toThrow(/no adapters/);
  engine.dispose();

  await open();
  const alone = engine.estimate(64, 8).bytes;
  await add("policy");
  const { bytes: trained } = engine.estimate(64, 8, "policy");
  expect(engine.estimate(64, 8).bytes).toBeGreaterThan(alone); // the adapter is held in any case
  await engine.update(tinyBatch(1, 64), tinyLoss(), tinyOptimizer(), { adapter: "policy" });
  expect(engine.memory().bytes).toBeLessThanOrEqual(trained);
  expect(trained).toBeLessThan(2 * engine.memory().bytes);
  engine.dispose();

  // With less and less memory an update either gives the same bits or is refused, and leaves the adapter as it was.
  await open();
  await add("policy");
  await update("policy");
  const full = await everything("policy");
  const { peakBytes } = engine.memory();
  engine.dispose();
  let refused = 0;
  for (const share of [1, 0.8, 0.6, 0.4]) {
    await open({ memoryBudget: Math.ceil(peakBytes * share) });
    await add("policy");
    const before = await everything("policy");
    const error = await update("policy").then(
      () => undefined,
      (reason) => reason,
    );
    if (error) expect(error).toMatchObject({ code: "MEMORY" });
    refused += error ? 1 : 0;
    expect(await everything("policy")).toEqual(error ? before : full);
    expect(engine.memory().peakBytes).toBeLessThanOrEqual(engine.memory().budget);
    engine.dispose();
  }
  expect(refused).toBeLessThan(4);
});

it("leaves everything as it was after an aborted update, and refuses a gradient of a call that failed halfway", async () => {
  await open();
  await add("policy");
  await add("other", { seed: 9 });
  await update("policy");
  await engine.forwardBackward(batch, tinyLoss(), { adapter: "other" });
  const gradient = await everything("other", ["gradient"]);
  const before = await everything("policy", ["weight", "adam_m", "adam_v"]);
  const abort = new AbortController();
  const many = tinyBatch(200);
  const aborted = engine.update(many, tinyLoss({ tree: false }), tinyOptimizer(), {
    adapter: "policy",
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
  expect(await everything("policy", ["weight", "adam_m", "adam_v"])).toEqual(before);
  await expect(engine.optimStep(tinyOptimizer(), { adapter: "policy" })).rejects.toThrow(/no gradients/);

  // Halfway: the adapter's own gradient is refused, the other's is untouched.
  await engine.forwardBackward(batch, tinyLoss(), { adapter: "policy" });
  const wrong = batch.map((sequence) => ({ ...sequence, expectedLogprobs: new Float32Array(32).fill(-1) }));
  const torn = engine.forwardBackward(wrong, tinyLoss({ tree: false }), { adapter: "policy" });
  await expect(torn).rejects.toMatchObject({ code: "NUMERICS" });
  await expect(engine.optimStep(tinyOptimizer(), { adapter: "policy" })).rejects.toThrow(/halfway/);
  expect(await everything("other", ["gradient"])).toEqual(gradient);
  await engine.zeroGradients("policy");
  await update("policy");
  await engine.optimStep(tinyOptimizer(), { adapter: "other" });
});

it("leaves the gradient of a base in training alone", async () => {
  await open({ trainable: true });
  await add("policy");
  await engine.forwardBackward(batch, tinyLoss());
  const gradient = await everything(undefined, ["gradient"]);
  await update("policy");
  expect(await everything(undefined, ["gradient"])).toEqual(gradient);
  const sampled = await generate("policy");
  await engine.optimStep(tinyOptimizer({ lr: 0.01 }));
  // The adapter's rows were computed with the base before the step.
  const again = await generate("policy");
  expect(again.stats.prefillTokens).toBe(prompt.tokens.length);
  expect(again.completions).not.toEqual(sampled.completions);
});

it("keeps weights and moments finite", async () => {
  await open({ dtype: "bfloat16" });
  await add("policy");
  const [{ name, shape }] = engine.parameters("policy") as [{ name: string; shape: [number, number] }];
  const filled = (value: number) => bytesOf(new Float32Array(shape[0] * shape[1]).fill(value));
  const write = (kind: TensorKind, value: number) =>
    engine.writeTensor(name, kind, "float32", filled(value), undefined, "policy");
  for (const [kind, value] of [
    ["weight", NaN],
    ["weight", 3.4e38],
    ["gradient", Infinity],
    ["adam_v", -1],
  ] as const)
    await expect(write(kind, value)).rejects.toMatchObject({ code: "NUMERICS" });
  await engine.forwardBackward(batch, tinyLoss(), { adapter: "policy" });
  await write("weight", 3.3e38);
  await write("gradient", -1);
  const before = await everything("policy", ["weight", "adam_m", "adam_v"]);
  const metrics = await engine.optimStep(tinyOptimizer({ lr: 3e37 }), { adapter: "policy" });
  expect(metrics.skipReason).toContain(name);
  expect(await everything("policy", ["weight", "adam_m", "adam_v"])).toEqual(before);
  expect(engine.optimizerStep("policy")).toBe(0);
});

describe("refuses", () => {
  const one = { name: "model.layers.0.self_attn.q_proj", rank: 2, scale: 1 };
  const cases: [string, string, Partial<NativeAdapterModule>[], RegExp][] = [
    ["no modules", "modules", [], /at least one module/],
    ["rank 0", "modules[0].rank", [{ rank: 0 }], /from 1 to 64/],
    ["a rank above the layer", "modules[0].rank", [{ rank: 65 }], /\[64, 64\]/],
    ["a scale of 0", "modules[0].scale", [{ scale: 0 }], /other than 0/],
    ["a scale too large", "modules[0].scale", [{ scale: 1e39 }], /float32/],
    ["a module twice", "modules[1].name", [{}, {}], /modules\[0\]/],
    [
      "a layer that is not there",
      "modules[0].name",
      [{ name: "model.layers.7.self_attn.q_proj" }],
      /nearest/,
    ],
    [
      "a misspelling",
      "modules[0].name",
      [{ name: "model.layers.1.mlp.upproj" }],
      /"model.layers.1.mlp.up_proj"/,
    ],
    ["lm_head", "modules[0].name", [{ name: "lm_head" }], /take no adapter/],
  ];
  it.each(cases)("%s", async (_, field, changes, message) => {
    await open();
    const { bytes } = engine.memory();
    const options = { modules: changes.map((change) => ({ ...one, ...change })), trainable: true };
    await expect(engine.addAdapter("policy", options)).rejects.toMatchObject({
      code: "INPUT",
      message: expect.stringMatching(message),
      details: { field: `options.${field}` },
    });
    expect(engine.memory().bytes).toBe(bytes);
    await expect(logprobs("policy")).rejects.toMatchObject({ details: { field: "adapter" } });
  });

  it("what is no adapter's options at all, a name in use, and no name", async () => {
    await open();
    for (const options of [
      {},
      { modules: {} },
      { modules: [one] },
      { modules: [{ ...one, scale: NaN }], trainable: true },
    ])
      await expect(
        engine.addAdapter("policy", options as unknown as NativeAdapterOptions),
      ).rejects.toMatchObject({
        code: "INPUT",
      });
    await add("policy");
    await expect(add("policy")).rejects.toThrow(/"policy", must be a name that no adapter/);
    await expect(add("")).rejects.toMatchObject({ code: "INPUT" });
    await expect(logprobs("")).resolves.toBeDefined(); // helper: absent
    await expect(engine.logprobs(batch, scored, { adapter: "" })).rejects.toMatchObject({ code: "INPUT" });
  });

  it("every call with an adapter that is not there", async () => {
    await open();
    await add("policy");
    const tensor = "model.layers.0.self_attn.q_proj.lora_A.weight";
    const adapter = "judge";
    for (const call of [
      () => logprobs(adapter),
      () => generate(adapter),
      () => update(adapter),
      () => engine.forwardBackward(batch, tinyLoss(), { adapter }),
      () => engine.optimStep(tinyOptimizer(), { adapter }),
      () => engine.zeroGradients(adapter),
      () => engine.readTensor(tensor, "weight", "float32", undefined, undefined, adapter),
      () => engine.writeTensor(tensor, "weight", "float32", new Uint8Array(256), undefined, adapter),
      () => engine.removeAdapter(adapter),
      async () => engine.parameters(adapter),
      async () => engine.optimizerStep(adapter),
      async () => engine.setOptimizerStep(1, adapter),
      async () => engine.estimate(1, 1, adapter),
    ])
      await expect(call()).rejects.toMatchObject({
        code: "INPUT",
        message: expect.stringMatching(/"judge".*"policy"/),
      });
  });

  it("training one that was added with trainable: false, and tensors of another's name or length", async () => {
    await open();
    await add("old", { trainable: false });
    for (const call of [
      () => update("old"),
      () => engine.forwardBackward(batch, tinyLoss(), { adapter: "old" }),
      () => everything("old", ["gradient"]),
    ])
      await expect(call()).rejects.toMatchObject({ code: "INPUT", message: expect.stringMatching(/"old"/) });
    await logprobs("old");
    const write = (name: string, count: number) =>
      engine.writeTensor(name, "weight", "float32", new Uint8Array(count), undefined, "old");
    await expect(write("model.embed_tokens.weight", 4)).rejects.toMatchObject({ code: "CHECKPOINT" });
    await expect(write("model.layers.0.self_attn.q_proj.lora_A.weight", 252)).rejects.toMatchObject({
      code: "CHECKPOINT",
    });
  });
});

it("frees one after the calls before it, and a new one of that name begins anew", async () => {
  await open();
  await add("policy");
  await update("policy");
  const old = await logprobs("policy");
  const [before, removed, after] = await Promise.allSettled([
    logprobs("policy"),
    engine.removeAdapter("policy"),
    logprobs("policy"),
  ]);
  expect(before).toEqual({ status: "fulfilled", value: old });
  expect(removed.status).toBe("fulfilled");
  expect(after).toMatchObject({ status: "rejected", reason: { code: "INPUT" } });
  await generate();
  await add("policy", { seed: 6 });
  expect(engine.optimizerStep("policy")).toBe(0);
  engine.setOptimizerStep(7, "policy");
  await update("policy");
  expect([engine.optimizerStep("policy"), engine.optimizerStep()]).toEqual([8, 0]);
  expect((await generate("policy")).stats.prefillTokens).toBe(prompt.tokens.length);
});
