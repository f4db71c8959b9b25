/** Loss functions, parameter groups and the primitives on a policy; the engine's part is in tests/native. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import type { z } from "zod";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import type { LossFunction, LossSequence } from "../losses/loss-function.js";
import { lossFunction } from "../losses/named-losses.js";
import { loadAddon } from "../native/load-addon.js";
import type { lossOptionsSchema, optimizerSchema, updateOptionsSchema } from "./native-options.js";
import { NativePolicy } from "./native-policy.js";
import type { TrainSequence } from "./sequences.js";
import type { LossOptions, OptimizerOptions, UpdateOptions } from "./training-options.js";

const golden = join(import.meta.dirname, "../../tests/golden/llama");

let policy: NativePolicy;
beforeEach(async () => {
  policy = await load();
});
afterEach(() => policy.dispose());

const load = (dir = golden, options = {}) =>
  NativePolicy.load(dir, { device: "cpu", threads: 1, ...options });

/** Passes before the first update after sampling: oneDNN does not promise that its log-probs are the sampler's. */
const first = loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN") ? 1 : 0;

/** Each prompt's completions as sequences, with the log-probs they were sampled with. */
async function sample(temperature = 1): Promise<(TrainSequence & { behaviorLogprobs: Float32Array })[]> {
  const prompts = [[1, 2, 3], [1, 2, 9, 4, 7], [30]].map((tokens) => ({ tokens }));
  const options = { n: 3, maxNewTokens: 8, temperature, seed: 5, stopTokens: [] };
  const completions = await policy.generate(prompts, options);
  return completions.flatMap((group, i) =>
    group.map(({ tokens, logprobs }, j) => ({
      tokens: [...prompts[i]!.tokens, ...tokens],
      actionStart: prompts[i]!.tokens.length,
      advantage: j - 0.8,
      behaviorLogprobs: logprobs,
    })),
  );
}

/** REINFORCE, and the ppo-clip of the engine, as anybody would write them. */
const reinforce: LossFunction = ({ logprobs, advantage, weights }) => ({
  value: -logprobs.reduce((sum, logprob, t) => sum + weights[t]! * advantage[t]! * logprob, 0),
  derivative: Float64Array.from(advantage, (a, t) => -weights[t]! * a),
});
const ppoClip: LossFunction = ({ logprobs, behaviorLogprobs, advantage, weights }) => {
  const derivative = new Float64Array(logprobs.length);
  let value = 0;
  for (const [t, logprob] of logprobs.entries()) {
    const ratio = Math.exp(logprob - behaviorLogprobs![t]!);
    const bounded = Math.min(1.2, Math.max(0.8, ratio)) * advantage[t]!;
    const free = ratio * advantage[t]!;
    value -= weights[t]! * Math.min(bounded, free);
    if (free <= bounded) derivative[t] = -weights[t]! * free;
  }
  return { value, derivative };
};

async function gradients(batch: TrainSequence[], options: LossOptions) {
  await policy.zeroGradients();
  const metrics = await policy.forwardBackward(batch, options);
  const all = await Promise.all(
    policy.parameters().map(({ name }) => policy.readParameter(name, "gradient")),
  );
  return { metrics, gradient: all.flatMap((part) => [...part]) };
}

function relative(a: number[], b: number[]): number {
  const squares = (x: number[]) => x.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(squares(a.map((value, i) => value - b[i]!)) / squares(b));
}

const passes = async () =>
  Object.fromEntries((await policy.profile()).calls.map(({ call, count }) => [call, count]));

describe("a loss function", () => {
  it.each([
    ["reinforce", reinforce],
    ["ppo-clip", ppoClip],
  ] as const)("does what the built-in %s does, with every aggregation and term", async (name, own) => {
    const batch = await sample();
    await policy.update(batch, { optimizer: { lr: 3e-3 } }); // so that ratios are not 1
    const referenceLogprobs = await policy.logprobs(
      batch.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
    );
    await policy.update(batch, { optimizer: { lr: 3e-3 } });
    const full = batch.map((sequence, i) => ({
      ...sequence,
      referenceLogprobs: referenceLogprobs[i]!,
      weights: Float32Array.from(sequence.behaviorLogprobs, (_, t) => (t + i) % 3),
    }));
    for (const options of [
      { aggregation: "sequence-sum" },
      { aggregation: "sequence-mean", klWeight: 0.2, temperature: 0.9 },
      { aggregation: "token-mean", entropyWeight: 0.1, denominators: { tokens: 200 } },
      { aggregation: "fixed-length", fixedLength: 32, denominators: { sequences: 12 } },
    ] satisfies LossOptions[]) {
      const theirs = await gradients(full, { ...options, loss: name });
      const ours = await gradients(full, { ...options, loss: own });
      expect(ours.metrics.loss).toBeCloseTo(theirs.metrics.loss, 6);
      expect(relative(ours.gradient, theirs.gradient)).toBeLessThan(1e-6);
      expect(theirs.metrics.extraForwards).toBe(0);
      expect(ours.metrics.extraForwards).toBe(1);
    }
  });

  it.each([1, 0.7, 0])("needs no pass before its first update after sampling (temperature %s)", async (t) => {
    await policy.dispose();
    policy = await load(golden, { profile: true });
    const temperature = t === 0 ? 1 : t;
    const batch = await sample(t);
    const seen: LossSequence[] = [];
    const watching: LossFunction = (sequence) => {
      seen.push(sequence);
      return ppoClip(sequence);
    };
    const update = () => policy.update(batch, { loss: watching, temperature, optimizer: { lr: 1e-3 } });
    expect((await update()).extraForwards).toBe(first);
    expect(await passes()).toEqual({ generate: 1, update: 1, ...(first ? { logprobs: 1 } : {}) });
    if (!first) expect(seen.map(({ logprobs }) => logprobs)).toEqual(batch.map((s) => s.behaviorLogprobs));
    expect((await update()).extraForwards).toBe(1);
    expect(await passes()).toEqual({ generate: 1, logprobs: 1 + first, update: 2 });
    expect(seen.at(-1)!.logprobs).not.toEqual(batch.at(-1)!.behaviorLogprobs);
  });

  it("never takes other log-probs for the current ones", async () => {
    const batch = await sample();
    const extra = async (changed: TrainSequence[], options: LossOptions = {}) => {
      await policy.zeroGradients();
      return (await policy.forwardBackward(changed, { loss: reinforce, ...options })).extraForwards;
    };
    expect(await extra(batch)).toBe(first);
    expect(await extra(batch, { temperature: 0.5 })).toBe(1); // of another softmax
    const copied = batch.map((s) => ({ ...s, behaviorLogprobs: s.behaviorLogprobs.slice() }));
    expect(await extra(copied)).toBe(1); // made elsewhere
    const swapped = batch.map((s, i) => ({ ...s, behaviorLogprobs: batch[(i + 3) % 9]!.behaviorLogprobs }));
    expect(await extra(swapped)).toBe(1); // of another sequence
    const { name } = policy.parameters()[0]!;
    await policy.writeParameter(name, await policy.readParameter(name)); // weights that were written
    expect(await extra(batch)).toBe(1);
    const fresh = await sample();
    fresh[4]!.behaviorLogprobs[2]! -= 1e-3; // changed since
    expect(await extra(fresh)).toBe(1);
    const update = policy.update(fresh, { optimizer: { lr: 1e-2 } }); // under way, not done
    expect(await extra(fresh)).toBe(1);
    await update;
  });

  it("can be given by name, with the name's own aggregation and options", async () => {
    const batch = await sample();
    await policy.update(batch, { optimizer: { lr: 1e-2 } });
    const grpo = await gradients(batch, { loss: "grpo", clipHigh: 0.3 });
    expect(grpo.metrics.extraForwards).toBe(0);
    const written = { loss: "ppo-clip", aggregation: "sequence-mean", clipHigh: 0.3 } as const;
    expect(grpo.gradient).toEqual((await gradients(batch, written)).gradient);
    const gspo = await gradients(batch, { loss: "gspo", clipLow: 0.1 });
    expect(gspo.metrics.extraForwards).toBe(1);
    const own = { loss: lossFunction("gspo", { clipLow: 0.1 }), aggregation: "sequence-mean" } as const;
    expect(gspo.gradient).toEqual((await gradients(batch, own)).gradient);
    const sampled = batch.map((s) => ({ ...s, samplerLogprobs: s.behaviorLogprobs.map((x) => x - 0.1) }));
    const options = { loss: "grpo", correction: { mode: "token_truncate", clipMax: 1.05 } } as const;
    const corrected = await gradients(sampled, options);
    const plain = await gradients(batch, { loss: "grpo" });
    expect(
      relative(
        corrected.gradient,
        plain.gradient.map((g) => 1.05 * g),
      ),
    ).toBeLessThan(1e-5);
  });

  it("accumulates and mixes with built-in losses", async () => {
    const batch = await sample();
    const whole = await gradients(batch, { loss: reinforce });
    await policy.zeroGradients();
    const denominators = { sequences: batch.length };
    await policy.forwardBackward(batch.slice(0, 4), { loss: reinforce, denominators });
    await policy.forwardBackward(batch.slice(4), { denominators });
    const parts = await Promise.all(
      policy.parameters().map(({ name }) => policy.readParameter(name, "gradient")),
    );
    expect(
      relative(
        parts.flatMap((part) => [...part]),
        whole.gradient,
      ),
    ).toBeLessThan(1e-6);
  });

  const wrong: [string, (s: LossSequence) => unknown, string, RegExp][] = [
    ["throws", () => (undefined as never as string).length, "batch[0]", /threw for batch\[0\]/],
    ["returns nothing", () => undefined, "loss(batch[0])", /undefined/],
    ["is asynchronous", async (s) => reinforce(s), "loss(batch[0])", /a promise/],
    ["returns NaN", (s) => ({ ...reinforce(s), value: Number.NaN }), "loss(batch[0]).value", /NaN/],
    ["returns no derivative", () => ({ value: 1 }), "loss(batch[0]).derivative", /missing/],
    [
      "returns a derivative of another length",
      () => ({ value: 1, derivative: new Float64Array(3) }),
      "loss(batch[0]).derivative",
      /array of 3; it must be one of 8/,
    ],
    [
      "returns a derivative with an infinity",
      (s) => ({ value: 1, derivative: s.logprobs.map((_, t) => (t === 5 ? Number.POSITIVE_INFINITY : 0)) }),
      "loss(batch[0]).derivative[5]",
      /Infinity/,
    ],
    [
      "forgets a mask",
      (s) => ({ value: 1, derivative: Float64Array.from(s.advantage) }),
      "loss(batch[1]).derivative[2]",
      /weight is 0/,
    ],
  ];
  it.each(wrong)(
    "that %s is refused by name, and leaves everything as it was",
    async (_, loss, field, message) => {
      const batch: TrainSequence[] = await sample();
      batch[1]!.weights = [1, 1, 0, 1, 1, 1, 1, 1];
      const before = await gradients(batch, {});
      const failing = policy.forwardBackward(batch, { loss: loss as LossFunction });
      await expect(failing).rejects.toMatchObject({ code: "INPUT", details: { field } });
      await expect(failing).rejects.toThrow(message);
      await policy.optimStep({ lr: 0 }); // the gradients of before are there, whole
      const after = await Promise.all(
        policy.parameters().map(({ name }) => policy.readParameter(name, "gradient")),
      );
      expect(after.flatMap((part) => [...part])).toEqual(before.gradient);
    },
  );
});

describe("per-token arrays", () => {
  const bad: [string, Partial<TrainSequence>, string, RegExp][] = [
    ["a NaN advantage", { advantage: [0, Number.NaN, 0, 0, 0, 0, 0, 0] }, "advantage[1]", /NaN/],
    ["an advantage past float32", { advantage: 1e39 }, "advantage", /1e\+39/],
    ["too few advantages", { advantage: [1, 2] }, "advantage", /array of 2; it must be one of 8/],
    ["a negative weight", { weights: [1, 1, 1, -1, 1, 1, 1, 1] }, "weights[3]", /-1/],
    ["a log-prob above 0", { behaviorLogprobs: [-1, -1, 0.5, 0, 0, 0, 0, 0] }, "behaviorLogprobs[2]", /0\.5/],
    [
      "a NaN reference",
      { referenceLogprobs: new Float32Array(8).fill(Number.NaN) },
      "referenceLogprobs[0]",
      /NaN/,
    ],
    ["too many of a sampler's", { samplerLogprobs: new Float32Array(9) }, "samplerLogprobs", /one of 8/],
    [
      "a sampler's minus infinity",
      { samplerLogprobs: new Array(8).fill(-1 / 0) },
      "samplerLogprobs[0]",
      /Infinity/,
    ],
  ];
  it.each(bad)("%s is refused by index and field", async (_, part, field, message) => {
    const batch = await sample();
    Object.assign(batch[2]!, part);
    const failing = policy.forwardBackward(batch, { loss: reinforce });
    await expect(failing).rejects.toMatchObject({ code: "INPUT", details: { field: `batch[2].${field}` } });
    await expect(failing).rejects.toThrow(message);
  });

  it("reach a loss function as float32 arrays, and samplerLogprobs no built-in loss", async () => {
    const [sequence] = await sample();
    const samplerLogprobs = new Array(8).fill(-2.5);
    const seen: LossSequence[] = [];
    const loss: LossFunction = (s) => {
      seen.push(s);
      return reinforce(s);
    };
    await policy.forwardBackward([{ ...sequence!, advantage: 0.5, samplerLogprobs }], { loss });
    expect(seen[0]).toMatchObject({
      advantage: new Float32Array(8).fill(0.5),
      weights: new Float32Array(8).fill(1),
      samplerLogprobs: new Float32Array(8).fill(-2.5),
    });
    await expect(policy.forwardBackward([{ ...sequence!, samplerLogprobs }])).rejects.toMatchObject({
      details: { field: "batch[0].samplerLogprobs" },
    });
  });
});

describe("steps", () => {
  it("report gradient norms by group, and train no frozen parameter", async () => {
    const batch = await sample();
    const frozen = policy.parameters().filter(({ name }) => name.includes("layers.0"));
    const before = await Promise.all(frozen.map(({ name }) => policy.readParameter(name)));
    const { gradNorms, gradNorm } = await policy.update(batch, {
      optimizer: {
        lr: 1e-3,
        freeze: ["*layers.0.*"],
        groups: [{ match: "*norm*", lrScale: 2, name: "norms" }],
      },
    });
    expect(Object.keys(gradNorms).sort()).toEqual(["default", "norms"]);
    expect(Math.hypot(...Object.values(gradNorms))).toBeCloseTo(gradNorm, 6);
    expect(await Promise.all(frozen.map(({ name }) => policy.readParameter(name)))).toEqual(before);
    expect((await policy.update(batch)).gradNorms).toEqual({ default: expect.any(Number) });
  });

  it.each([
    ["aggregation fixed-length alone", { aggregation: "fixed-length" }, "fixedLength"],
    ["fixedLength with another", { fixedLength: 8 }, "fixedLength"],
    ["tokens of a mean over sequences", { denominators: { tokens: 5 } }, "denominators.tokens"],
    [
      "sequences of a token-mean",
      { aggregation: "token-mean", denominators: { sequences: 5 } },
      "denominators.sequences",
    ],
    ["a clip of reinforce", { clipLow: 0.1 }, "clipLow"],
    ["a clip next to a function", { loss: reinforce, clipHigh: 0.1 }, "clipHigh"],
    ["a function's fixed length, missing", { loss: reinforce, aggregation: "fixed-length" }, "fixedLength"],
    ["eps 1e-40", { optimizer: { eps: 1e-40 } }, "optimizer.eps"],
    ["a pattern without a parameter", { optimizer: { freeze: ["lm_tail"] } }, "optimizer.freeze[0]"],
    ["temperature 1e-40", { temperature: 1e-40 }, "temperature"],
  ] as [string, UpdateOptions, string][])("refuse %s", async (_, options, field) => {
    const batch = await sample();
    await expect(policy.update(batch, options)).rejects.toMatchObject({ code: "CONFIG", details: { field } });
    expect(policy.optimizerStep()).toBe(0);
  });

  it("write what they are given: a moving average of the weights", async () => {
    const { name } = policy.parameters()[1]!;
    const start = await policy.readParameter(name);
    await policy.update(await sample(), { optimizer: { lr: 1e-2 } });
    const now = await policy.readParameter(name);
    const mean = now.map((x, i) => 0.9 * start[i]! + 0.1 * x);
    await policy.writeParameter(name, mean);
    expect(await policy.readParameter(name)).toEqual(mean);
    for (const [values, field] of [
      [[1, 2], "values"],
      [mean.map((x, i) => (i === 3 ? Number.NaN : x)), "values[3]"],
    ] as const)
      await expect(policy.writeParameter(name, values)).rejects.toMatchObject({
        code: "INPUT",
        details: { field },
      });
    await expect(policy.writeParameter("model.tail", mean)).rejects.toMatchObject({
      details: { field: "name" },
    });
    expect(await policy.readParameter(name)).toEqual(mean);
  });
});

describe("files with numbers that are not finite", () => {
  /** Overwrites one float32 of a safetensors file. */
  async function spoil(file: string, tensor: string, value: number): Promise<void> {
    const bytes = await readFile(file);
    const header = Number(bytes.readBigUInt64LE(0));
    const entries = JSON.parse(bytes.toString("utf8", 8, 8 + header));
    bytes.writeFloatLE(value, 8 + header + entries[tensor].data_offsets[0] + 8);
    await writeFile(file, bytes);
  }

  it("are not loaded: the error names file and tensor, and the policy is as it was", async () => {
    const folder = join(temporaryFolder(), "model");
    await cp(golden, folder, { recursive: true });
    await policy.save(folder, { dtype: "float32" });
    const { name } = policy.parameters()[3]!;
    await spoil(join(folder, "model.safetensors"), name, Number.NaN);
    await expect(load(folder)).rejects.toMatchObject({
      code: "CHECKPOINT",
      details: { file: expect.stringMatching(/model\.safetensors$/), tensor: name },
    });

    const file = join(folder, "optimizer.safetensors");
    await policy.update(await sample());
    await policy.saveOptimizer(file);
    await spoil(file, `adam_v.${name}`, Number.POSITIVE_INFINITY);
    await policy.update(await sample(), { optimizer: { lr: 1e-2 } });
    const first = policy.parameters()[0]!.name;
    const before = await policy.readParameter(first);
    await expect(policy.loadOptimizer(file)).rejects.toMatchObject({
      code: "CHECKPOINT",
      details: { file, tensor: `adam_v.${name}` },
    });
    expect(await policy.readParameter(first)).toEqual(before);
    expect(policy.optimizerStep()).toBe(2);
  });
});

it("has its options written out as its schemas take them", () => {
  type Keys<T> = keyof Required<T>;
  expectTypeOf<Keys<LossOptions>>().toEqualTypeOf<Keys<z.input<typeof lossOptionsSchema>>>();
  expectTypeOf<Keys<UpdateOptions>>().toEqualTypeOf<Keys<z.input<typeof updateOptionsSchema>>>();
  expectTypeOf<Keys<OptimizerOptions>>().toEqualTypeOf<Keys<z.input<typeof optimizerSchema>>>();
  expectTypeOf<UpdateOptions>().toExtend<z.input<typeof updateOptionsSchema>>();
});
