/**
 * Compact optimizer state: at most 9 bytes per parameter, counted; steps that repeat to the bit whatever the threads and
 * depend on the seed; frozen parameters, groups and refused steps as with float32 state; it learns as fast.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { EngineOptions, NativeOptimizerOptions, TensorKind } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { testDevice } from "../parity/golden.js";
import {
  fillWeights,
  tinyBatch,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  tinySampling,
} from "./tiny-model.mjs";

const opened: Engine[] = [];
afterEach(() => {
  for (const engine of opened.splice(0)) engine.dispose();
});

async function open(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = new Engine({
    ...tinyOptions(),
    device: testDevice,
    dtype: "bfloat16",
    optimizerState: "compact",
    ...options,
  });
  opened.push(engine);
  await fillWeights(engine);
  return engine;
}

async function read(engine: Engine, name: string, kind: TensorKind): Promise<Float32Array> {
  const bytes = await engine.readTensor(name, kind, "float32");
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

async function readAll(engine: Engine): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const kind of ["weight", "adam_m", "adam_v"] as const)
    for (const { name } of engine.parameters()) parts.push(await engine.readTensor(name, kind, "float32"));
  return Buffer.concat(parts);
}

const batch = tinyBatch(6, 24);
const loss = tinyLoss();
const adamw = (overrides: Partial<NativeOptimizerOptions> = {}) =>
  tinyOptimizer({ weightDecay: 0.1, ...overrides });

async function train(engine: Engine, steps: number, optimizer = adamw()) {
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push((await engine.update(batch, loss, optimizer)).loss);
  return losses;
}

const matrix = "model.layers.0.mlp.up_proj.weight";
const vector = "model.norm.weight";

it("holds 2 bytes of weight, 4 of gradient and 2 + 2/32 of moments per parameter of a matrix, as counted", async () => {
  const config = { ...tinyConfig(), vocab: 4000 };
  const engine = await open({ config });
  const counts = engine.parameters().map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const matrices = counts.filter((_, i) => engine.parameters()[i]!.shape.length > 1).reduce((a, b) => a + b);
  const vectors = counts.reduce((a, b) => a + b) - matrices;
  const weights = engine.memory().bytes;
  expect(weights).toBe(2 * matrices + 4 * vectors);
  await engine.readTensor(matrix, "gradient", "float32");
  await engine.readTensor(matrix, "adam_m", "float32");
  const { bytes } = engine.memory();
  expect(bytes).toBe((2 + 4 + 2 + 2 / 32) * matrices + 16 * vectors);
  expect(bytes / (matrices + vectors)).toBeLessThan(9);
  const float32 = await open({ config, optimizerState: "float32" });
  expect(float32.estimate(100, 100).bytes - engine.estimate(100, 100).bytes).toBe(
    (18 - 8 - 2 / 32) * matrices,
  );
});

it("steps the same whatever the threads, another way with another seed; gradients are those of float32 state", async () => {
  const [one, three, other, float32] = [
    await open(),
    await open({ threads: 3 }),
    await open(),
    await open({ optimizerState: "float32" }),
  ];
  for (const engine of [one, float32]) await engine.forwardBackward(batch, loss);
  for (const { name } of one.parameters())
    expect(await read(one, name, "gradient")).toEqual(await read(float32, name, "gradient"));
  await train(one, 3);
  await train(three, 3);
  await train(other, 3, adamw({ seed: 1 }));
  const state = await readAll(one);
  expect((await readAll(three)).equals(state)).toBe(true);
  expect((await readAll(other)).equals(state)).toBe(false);
});

it("weights are bfloat16's, sampled log-probs those of training, and a step stays near float32's", async () => {
  const [compact, float32] = [await open(), await open({ optimizerState: "float32" })];
  await train(compact, 1);
  await train(float32, 1);
  const [a, b] = [await read(compact, matrix, "weight"), await read(float32, matrix, "weight")];
  let apart = 0;
  for (let i = 0; i < a.length; i++) {
    const gap = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(a[i]!), Math.abs(b[i]!)) + 1e-3)) - 7);
    expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(gap * 1.51); // it began from the rounded weight
    apart += (a[i]! - b[i]!) / a.length;
  }
  expect(Math.abs(apart)).toBeLessThan(1e-5); // of steps of 1e-3
  expect(new Uint32Array(a.buffer).every((word) => (word & 0xffff) === 0)).toBe(true);
  const tokens = batch[0]!.tokens.subarray(0, 8);
  const prompts = [{ tokens, seed: 1n, maxNewTokens: 12 }];
  const { completions } = await compact.generate(prompts, tinySampling());
  const sampled = completions[0]![0]!;
  const sequence = { tokens: Int32Array.from([...tokens, ...sampled.tokens]), actionStart: tokens.length };
  const [scored] = await compact.logprobs([sequence], { temperature: 1, tree: true });
  if (compact.exact) expect(scored).toEqual(sampled.logprobs);
});

it("learns as with float32 state", async () => {
  const losses = await train(await open(), 40, adamw({ lr: 3e-3 }));
  const wanted = await train(await open({ optimizerState: "float32" }), 40, adamw({ lr: 3e-3 }));
  expect(losses[0]).toBeCloseTo(wanted[0]!, 2);
  const fall = (curve: number[]) => curve[0]! - curve.at(-1)!;
  expect(fall(wanted)).toBeGreaterThan(1);
  expect(fall(losses) / fall(wanted)).toBeGreaterThan(0.95);
  expect(fall(losses) / fall(wanted)).toBeLessThan(1.05);
});

it("leaves frozen parameters alone and gives groups their own rate", async () => {
  const engine = await open();
  const before = new Map<string, Buffer>();
  const names = engine.parameters().map(({ name }) => name);
  for (const name of names) before.set(name, Buffer.from((await read(engine, name, "weight")).buffer));
  const groupOf = Int32Array.from(names, (name) => (name === matrix ? 1 : name.includes("embed") ? 2 : 0));
  const groups = [
    { lr: 0, weightDecay: 0, frozen: true },
    { lr: 0, weightDecay: 0, frozen: false },
  ];
  await train(engine, 2, adamw({ groups, groupOf }));
  for (const name of names) {
    const same = before.get(name)!.equals(Buffer.from((await read(engine, name, "weight")).buffer));
    expect({ name, same }).toEqual({ name, same: name === matrix || name.includes("embed") });
  }
  expect((await read(engine, matrix, "adam_m")).every((x) => x === 0)).toBe(true);
  expect((await read(engine, "model.embed_tokens.weight", "adam_m")).every((x) => x === 0)).toBe(false);
});

it("a step that would leave something not finite changes nothing", async () => {
  const engine = await open();
  await train(engine, 1);
  const state = await readAll(engine);
  await engine.forwardBackward(batch, loss);
  const gradient = await read(engine, matrix, "gradient");
  gradient[7] = 1e30;
  await engine.writeTensor(matrix, "gradient", "float32", new Uint8Array(gradient.buffer));
  const { skipReason } = await engine.optimStep(adamw({ maxGradNorm: 0 }));
  expect(skipReason).toContain(`${matrix}[7]`);
  expect((await readAll(engine)).equals(state)).toBe(true);
  expect(engine.optimizerStep()).toBe(1);
});

describe("tensors", () => {
  it("are read and written as stored, in parts as well, and as float32", async () => {
    const [from, to] = [await open(), await open()];
    await train(from, 2);
    await to.writeTensor(matrix, "weight", "bfloat16", await from.readTensor(matrix, "weight", "bfloat16"));
    for (const kind of ["adam_m_codes", "adam_m_scales", "adam_v_codes", "adam_v_scales"] as const) {
      const whole = await from.readTensor(matrix, kind, "float32");
      expect(whole.length).toBe(kind.endsWith("codes") ? 64 * 128 : (64 * 128) / 32);
      expect(await from.readTensor(matrix, kind, "float32", 10, 20)).toEqual(whole.slice(10, 30));
      await to.writeTensor(matrix, kind, "float32", whole.slice(0, 96), 0);
      await to.writeTensor(matrix, kind, "float32", whole.slice(96), 96);
    }
    for (const kind of ["weight", "adam_m", "adam_v"] as const) {
      const values = await read(from, matrix, kind);
      expect(await read(to, matrix, kind)).toEqual(values);
      if (kind === "weight") continue;
      expect(values.some((x) => x !== 0)).toBe(true);
      // A value that is held is what it is rounded to: written as float32 it comes back.
      await to.writeTensor(matrix, kind, "float32", new Uint8Array(values.buffer.slice(0)));
      expect(await read(to, matrix, kind)).toEqual(values);
      const half = new Uint16Array(Uint8Array.from(await to.readTensor(matrix, kind, "bfloat16")).buffer);
      expect(Array.from(half)).toEqual(Array.from(new Uint32Array(values.buffer), (word) => word >>> 16));
    }
  });

  it("refuses bytes that are no number, other kinds of state, and a float32 model", async () => {
    const engine = await open();
    const bad = { code: "NUMERICS", details: { tensor: matrix } };
    for (const [kind, byte] of [
      ["adam_m_codes", 0xff],
      ["adam_m_scales", 247],
      ["adam_v_codes", 0xff],
      ["adam_v_scales", 239],
    ] as const) {
      const good = new Uint8Array([byte - 1]);
      await engine.writeTensor(matrix, kind, "float32", good, 3);
      await expect(
        engine.writeTensor(matrix, kind, "float32", new Uint8Array([byte]), 3),
      ).rejects.toMatchObject(bad);
      expect(await engine.readTensor(matrix, kind, "float32", 3, 1)).toEqual(good);
      await expect(engine.readTensor(matrix, kind, "float32", 8192, 1)).rejects.toMatchObject({
        code: "CHECKPOINT",
      });
      await expect(engine.readTensor(vector, kind, "float32")).rejects.toMatchObject({ code: "INPUT" });
    }
    const huge = new Uint8Array(Float32Array.of(3.3e38).buffer);
    await expect(engine.writeTensor(matrix, "adam_v", "float32", huge, 0)).rejects.toThrow(/whole blocks/);
    const block = new Uint8Array(new Float32Array(32).fill(3.3e38).buffer);
    await expect(engine.writeTensor(matrix, "adam_v", "float32", block, 32)).rejects.toMatchObject(bad);
    const float32 = await open({ optimizerState: "float32" });
    await expect(float32.readTensor(matrix, "adam_m_codes", "float32")).rejects.toMatchObject({
      code: "INPUT",
    });
    await expect(open({ dtype: "float32" })).rejects.toMatchObject({ code: "INPUT", remedy: /bfloat16/ });
  });
});
