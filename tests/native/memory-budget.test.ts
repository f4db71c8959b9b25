/**
 * memoryBudget holds whatever follows what: the engine never holds more than it, a call that cannot do with it is
 * refused by the typed error and leaves the engine usable, and a call that can gives the bits it gives with room to
 * spare. What is counted is the engine's own account of its device memory, with its peak.
 */
import { afterEach, describe, expect, it } from "vitest";
import { SwirlError } from "../../src/errors/swirl-error.js";
import type { EngineOptions, NativePrompt, NativeSequence } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { loadAddon } from "../../src/native/load-addon.js";
import {
  fillWeights,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  tinySampling,
  uniform,
} from "./tiny-model.mjs";

const MIB = 2 ** 20;
const ROOMY = 512 * MIB;
// Only our own products promise that a row does not depend on its company, and so not on how a prefill was cut.
const exact = !loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN");
const config = { ...tinyConfig(), maxPositions: 4096 };
const next = uniform(11);
const text = Int32Array.from({ length: 1200 }, () => Math.floor(next() * config.vocab));

const prompts: NativePrompt[] = [700, 20, 450, 90, 1].map((length, i) => ({
  tokens: text.slice(i, i + length),
  seed: BigInt(i),
  maxNewTokens: 10 + 30 * i,
}));
const sampling = tinySampling({ n: 2 });
/** Every state of one trajectory: one path, which is computed in one order however much memory there is. */
const sequences: NativeSequence[] = [100, 400, 900].map((actionStart) => ({
  tokens: text.slice(0, actionStart + 40),
  actionStart,
}));
const batch = sequences.map((sequence, i) => ({ ...sequence, advantage: i - 0.5 }));

let engine: Engine | undefined;
afterEach(() => engine?.dispose());

async function open(memoryBudget: number, options: Partial<EngineOptions> = {}): Promise<Engine> {
  engine?.dispose();
  engine = new Engine({ ...tinyOptions(), config, ...options, memoryBudget });
  await fillWeights(engine);
  return engine;
}

type Step = (engine: Engine) => Promise<unknown>;
const generate: Step = async (e) => (await e.generate(prompts, sampling)).completions;
const logprobs: Step = async (e) => await e.logprobs(sequences, { temperature: 1, tree: true });
const update: Step = async (e) => {
  const { loss, gradNorm } = await e.update(batch, tinyLoss(), tinyOptimizer());
  return { loss, gradNorm };
};
const moments: Step = async (e) => await e.readTensor(e.parameters()[0]!.name, "adam_m", "float32");
const weights: Step = async (e) => await e.readTensor(e.parameters()[0]!.name, "weight", "float32");

/** What each step gave, or the error it was refused by; the peak is looked at after every one. */
async function run(steps: Step[], memoryBudget: number, options?: Partial<EngineOptions>) {
  const results: unknown[] = [];
  let peak = 0;
  const look = () => {
    const { bytes, peakBytes, budget } = engine!.memory();
    expect(budget).toBe(memoryBudget);
    expect(bytes).toBeLessThanOrEqual(budget);
    expect(peakBytes).toBeLessThanOrEqual(budget);
    peak = Math.max(peak, peakBytes);
  };
  await open(memoryBudget, options);
  look();
  for (const step of steps) {
    results.push(await step(engine!).catch((error: unknown) => error));
    look();
  }
  return { results, peak };
}

const refused = (result: unknown) => result instanceof Error;

/** The least budget with which no step is refused, to a KiB. */
async function least(steps: Step[], most: number, options?: Partial<EngineOptions>): Promise<number> {
  let [low, high] = [0, most];
  while (high - low > 1024) {
    const middle = Math.floor((low + high) / 2);
    const fits = await run(steps, middle, options).then(
      ({ results }) => !results.some(refused),
      (error: unknown) => {
        if (error instanceof SwirlError && error.code === "MEMORY") return false; // the weights alone
        throw error;
      },
    );
    if (fits) high = middle;
    else low = middle;
  }
  return high;
}

describe.each([
  ["float32", { dtype: "float32" }],
  ["bfloat16", { dtype: "bfloat16" }],
  ["a model with biases and head norms", { config: { ...config, qkvBias: true, qkNorm: true } }],
] as [string, Partial<EngineOptions>][])("%s", (_, options) => {
  const steps = [
    generate,
    logprobs,
    generate,
    update,
    generate,
    logprobs,
    update,
    generate,
    moments,
    weights,
  ];

  it("holds over generate, logprobs and update, with the same results, down to the least that does", async () => {
    const roomy = await run(steps, ROOMY, options);
    expect(roomy.results.some(refused)).toBe(false);
    const enough = await least(steps, roomy.peak, options);
    // Caches of all kinds are in the roomy peak: without them it is less.
    expect(enough).toBeLessThan(roomy.peak);
    for (const budget of [enough, Math.floor(enough * 1.1), Math.floor((enough + roomy.peak) / 2)]) {
      const { results } = await run(steps, budget, options);
      expect(results.some(refused)).toBe(false);
      if (exact) expect(results).toEqual(roomy.results);
    }
  });

  it("is kept: calls that do not fit are refused by name, and the others work", async () => {
    const calls = [generate, logprobs, update, generate];
    const { peak } = await run(calls, ROOMY, options);
    const enough = await least(calls, peak, options);
    const held = await open(ROOMY, options).then(trainingBytes);
    let refusals = 0;
    for (let share = 1; share <= 12; share++) {
      const budget = held + Math.floor(((enough - held) * share) / 14);
      const { results } = await run(calls, budget, options).catch((error: unknown) => {
        expect(error).toMatchObject({ code: "MEMORY" });
        return { results: [] };
      });
      for (const error of results.filter(refused)) {
        refusals += 1;
        expect(error).toMatchObject({ code: "MEMORY" });
        expect((error as SwirlError).remedy).toMatch(/memoryBudget/);
      }
    }
    expect(refusals).toBeGreaterThanOrEqual(12);
  });
});

/** Weights, gradients and both moments. */
function trainingBytes(e: Engine): number {
  const elements = e.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return e.memory().bytes + 3 * 4 * elements;
}

it("opens what could be trained, to the byte, and refuses a byte less before anything is allocated", async () => {
  for (const options of [
    {},
    { dtype: "bfloat16" },
    { config: { ...config, qkvBias: true, outputBias: true, qkNorm: true, postNorms: true } },
    { config: { ...config, tiedEmbeddings: false } },
  ] as Partial<EngineOptions>[]) {
    const enough = trainingBytes(await open(ROOMY, options));
    new Engine({ ...tinyOptions(), config, ...options, memoryBudget: enough }).dispose();
    expect(() => new Engine({ ...tinyOptions(), config, ...options, memoryBudget: enough - 1 })).toThrow(
      /training needs .*: weights .*, gradients and optimizer state .*; the budget is .*\n.*trainable: false/,
    );
  }
});

it("holds the weights and a tensor on its way in, to the byte, and refuses a byte less", async () => {
  const largest = (e: Engine) =>
    Math.max(...e.parameters().map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1)));
  for (const options of [
    {},
    { dtype: "bfloat16" },
    { config: { ...config, qkvBias: true, outputBias: true, qkNorm: true, postNorms: true } },
    { config: { ...config, tiedEmbeddings: false } },
  ].map((one) => ({ ...one, trainable: false }) as Partial<EngineOptions>)) {
    const { bytes } = (await open(ROOMY, options)).memory();
    const weightsAlone = new Engine({ ...tinyOptions(), config, ...options, memoryBudget: bytes });
    expect(weightsAlone.memory().bytes).toBe(bytes);
    weightsAlone.dispose();
    expect(() => new Engine({ ...tinyOptions(), config, ...options, memoryBudget: bytes - 1 })).toThrow(
      expect.objectContaining({ code: "MEMORY" }),
    );
    await open(bytes + largest(engine!), options);
    expect(engine!.memory().peakBytes).toBe(bytes + largest(engine!));
    await expect(open(bytes + largest(engine!) - 4, options)).rejects.toMatchObject({ code: "MEMORY" });
  }
});

it("gives packed weights and cached rows back for a call that needs their memory, and samples the same after", async () => {
  const before = await run([generate, generate], ROOMY, { trainable: false });
  const alone = await run([logprobs], ROOMY, { trainable: false });
  // Enough for either, never for both.
  const budget = Math.max(await least([generate], before.peak, { trainable: false }), alone.peak);
  const { results } = await run([generate, logprobs, generate], budget, { trainable: false });
  expect(results.some(refused)).toBe(false);
  if (exact) expect([results[0], results[2]]).toEqual(before.results);
  expect(results[1]).toEqual(alone.results[0]);
});
