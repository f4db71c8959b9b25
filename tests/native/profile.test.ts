/** A profile counts what the model implies, by a count of its own here; it changes no result, and is off by default. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NativeProfile } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import {
  fillWeights,
  tinyBatch,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  tinySampling,
} from "./tiny-model.mjs";

const config = tinyConfig();
const [count, length] = [3, 40]; // sequences that share nothing
const rows = count * (length - 1); // the last token of a sequence is only predicted
const labels = count * (length - length / 2);
const pairs = (count * (length - 1) * length) / 2; // every row sees its ancestors and itself

/** Elements of a layer's matrices: q, k and v, the output, gate and up, down. */
const heads = config.heads * config.headDim;
const layerMatrices =
  config.width * (heads + 2 * config.kvHeads * config.headDim) +
  heads * config.width +
  3 * config.width * config.intermediate;
const forwardProducts = 2 * rows * config.layers * layerMatrices;
const headProduct = 2 * labels * config.vocab * config.width;
const attention = 2 * pairs * heads * config.layers; // of one of its products

async function open(profile: boolean): Promise<Engine> {
  const engine = new Engine({ ...tinyOptions(), ...(profile ? { profile } : {}) });
  await fillWeights(engine);
  return engine;
}

function callOf(profile: NativeProfile, name: string) {
  const call = profile.calls.find((candidate) => candidate.call === name)!;
  const op = (op: string) => call.ops.find((candidate) => candidate.op === op);
  return { ...call, op };
}

describe("with profile: true", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await open(true);
  });
  afterAll(() => engine.dispose());

  it("counts nothing before the first call, whatever was loaded", async () => {
    const { calls, peaks } = await engine.profile();
    expect(calls).toEqual([]);
    for (const peak of [peaks.float32.product, peaks.bfloat16.product, peaks.bytes])
      expect(peak).toBeGreaterThan(1e8);
    if (process.arch === "x64") expect(peaks.float32.registers).toBeGreaterThan(peaks.float32.product / 2);
  });

  it("counts the forward pass of log-probs", async () => {
    await engine.logprobs(tinyBatch(count, length), { temperature: 1, tree: true });
    const call = callOf(await engine.profile(), "logprobs");
    expect(call.count).toBe(1);
    expect(call.op("gemm")!.flops).toBe(forwardProducts + headProduct);
    expect(call.op("gemm")!.calls).toBe(4 * config.layers + 1);
    expect(call.op("attention_forward")).toMatchObject({ calls: config.layers, flops: 2 * attention });
    expect(call.op("rope")!.bytes).toBe(
      config.layers * rows * (heads + config.kvHeads * config.headDim) * 2 * Float32Array.BYTES_PER_ELEMENT,
    );
    expect(call.op("attention_backward")).toBeUndefined();
    expect(call.op("adamw")).toBeUndefined();
  });

  it("counts three times the products for two updates each, and five products of attention backward", async () => {
    const batch = tinyBatch(count, length);
    for (let step = 0; step < 2; step++) await engine.update(batch, tinyLoss(), tinyOptimizer());
    const call = callOf(await engine.profile(), "update");
    expect(call.count).toBe(2);
    expect(call.op("gemm")!.flops).toBe(2 * 3 * (forwardProducts + headProduct));
    expect(call.op("attention_forward")!.flops).toBe(2 * 2 * attention);
    expect(call.op("attention_backward")!.flops).toBe(2 * 5 * attention);
    const parameters = engine
      .parameters()
      .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
    expect(call.op("adamw")!.bytes).toBeGreaterThanOrEqual(2 * 28 * parameters);
    expect(call.op("adamw")!.bytes).toBeLessThan(2 * 28 * parameters * 1.1); // tensors begin at aligned places
  });

  it("splits a call's time into kernels and the rest, and its products by shape", async () => {
    for (const call of (await engine.profile()).calls) {
      const kernels = call.ops.reduce((sum, { seconds }) => sum + seconds, 0);
      expect(kernels).toBeGreaterThan(0);
      expect(kernels).toBeLessThanOrEqual(call.seconds);
      for (const { op, floorSeconds, bytes } of call.ops) {
        expect(bytes, op).toBeGreaterThan(0);
        expect(floorSeconds, op).toBeGreaterThan(0);
      }
      const gemm = call.ops.find(({ op }) => op === "gemm")!;
      for (const key of ["calls", "flops", "bytes"] as const)
        expect(call.products.reduce((sum, product) => sum + product[key], 0)).toBe(gemm[key]);
      expect(call.products.reduce((sum, { seconds }) => sum + seconds, 0)).toBeCloseTo(gemm.seconds, 9);
      // Rows are rounded up to a power of two, and only they.
      for (const { m, k, n, transposeA } of call.products) {
        expect(Math.log2(transposeA ? k : m) % 1).toBe(0);
        expect([
          config.width,
          config.vocab,
          config.intermediate,
          2 * config.intermediate,
          128,
          heads,
        ]).toContain(n);
      }
    }
  });

  it("counts decoding by rows, not by what they might have been", async () => {
    const prompt = { tokens: Int32Array.from({ length: 9 }, (_, i) => i), seed: 1n, maxNewTokens: 5 };
    await engine.generate([prompt], tinySampling({ n: 2 }));
    const call = callOf(await engine.profile(), "generate");
    // Prompt rows; then two rows in each of four steps: the fifth token is drawn and not computed.
    const computed = 9 + 2 * 4;
    const drawn = 2 * 5;
    // oneDNN's products have no packed form.
    expect((call.op("gemm_packed") ?? call.op("gemm"))!.flops).toBe(
      2 * computed * config.layers * layerMatrices + 2 * drawn * config.vocab * config.width,
    );
    expect(call.op("sample")).toMatchObject({ calls: 5, bytes: drawn * config.vocab * 4 });
    const seen = 45 + 2 * (10 + 11 + 12 + 13);
    expect(call.op("attention_forward")!.flops).toBe(4 * seen * heads * config.layers);
  });

  it("changes no bit of a result", async () => {
    const [plain, profiled] = [await open(false), await open(true)];
    const batch = tinyBatch(count, length);
    const results = await Promise.all(
      [plain, profiled].map(async (one) => {
        await one.update(batch, tinyLoss(), tinyOptimizer());
        const { name } = one.parameters()[1]!;
        return await one.readTensor(name, "weight", "float32");
      }),
    );
    expect(results[1]).toEqual(results[0]);
    plain.dispose();
    profiled.dispose();
  });
});

it("is off by default, and says how to turn it on", async () => {
  const engine = await open(false);
  await expect(engine.profile()).rejects.toMatchObject({
    code: "CONFIG",
    remedy: expect.stringContaining("profile: true"),
  });
  engine.dispose();
  await expect(engine.profile()).rejects.toMatchObject({ code: "DISPOSED" });
});
