/** forwardBackward, optimStep and zeroGradients: what accumulates, what is spent, what a failure leaves. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type {
  NativeLossOptions,
  NativeOptimizerOptions,
  NativeTrainSequence,
  TensorKind,
} from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { testDevice } from "../parity/golden.js";
import { fillWeights, tinyLoss, tinyOptimizer, tinyOptions, uniform } from "./tiny-model.mjs";

let engine: Engine;
beforeEach(async () => {
  engine = await open();
});
afterEach(() => engine.dispose());

async function open(dtype: "float32" | "bfloat16" = "float32"): Promise<Engine> {
  const opened = new Engine({ ...tinyOptions(), dtype, device: testDevice });
  await fillWeights(opened);
  return opened;
}

async function readAll(kind: TensorKind, from = engine): Promise<Float32Array> {
  const parts: Uint8Array[] = [];
  for (const { name } of from.parameters()) parts.push(await from.readTensor(name, kind, "float32"));
  return new Float32Array(Uint8Array.from(Buffer.concat(parts)).buffer);
}

/** Actions after prefixes that some of them share, with everything a sequence may carry. */
function forest(count: number, seed = 3): (NativeTrainSequence & { advantage: number })[] {
  const next = uniform(seed);
  const prefix = Int32Array.from({ length: 12 }, () => Math.floor(next() * 101));
  return Array.from({ length: count }, (_, i) => {
    const length = 5 + (i % 7);
    const action = Array.from({ length }, () => Math.floor(next() * 101));
    const state = prefix.subarray(0, 4 + 2 * (i % 4));
    const logprobs = () => Float32Array.from({ length }, () => -4 - 2 * next());
    return {
      tokens: Int32Array.from([...state, ...action]),
      actionStart: state.length,
      advantage: 2 * next() - 1,
      weights: Float32Array.from({ length }, (_, t) => ((t + i) % 3 === 0 ? 0 : next())),
      behaviorLogprobs: logprobs(),
      referenceLogprobs: logprobs(),
    };
  });
}

function distance(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

async function gradientOf(batch: NativeTrainSequence[], loss: NativeLossOptions): Promise<Float32Array> {
  await engine.zeroGradients();
  await engine.forwardBackward(batch, loss);
  return await readAll("gradient");
}

const sum = (weights: Float32Array) => weights.reduce((a, b) => a + b);

describe("accumulation", () => {
  it.each([
    ["sequence-sum", {}],
    ["sequence-mean", { klWeight: 0.1 }],
    ["token-mean", { loss: "ppo-clip", entropyWeight: 0.05 }],
    ["fixed-length", { fixedLength: 16 }],
  ] as const)("%s: in parts and whole the same gradient and loss", async (aggregation, more) => {
    const batch = forest(24);
    const loss = tinyLoss({ aggregation, ...more } as Partial<NativeLossOptions>);
    const total =
      aggregation === "token-mean"
        ? { totalWeight: batch.reduce((all, { weights }) => all + sum(weights!), 0) }
        : { totalSequences: batch.length };
    const whole = await gradientOf(batch, loss);
    const { loss: value } = await engine.forwardBackward(batch, loss);
    const inParts = async () => {
      await engine.zeroGradients();
      let parts = 0;
      for (const [begin, end] of [
        [0, 5],
        [5, 6],
        [6, 24],
      ])
        parts += (await engine.forwardBackward(batch.slice(begin, end), { ...loss, ...total })).loss;
      return { parts, gradient: await readAll("gradient") };
    };
    const { parts, gradient } = await inParts();
    expect(distance(gradient, whole)).toBeLessThan(1e-6);
    expect(parts).toBeCloseTo(value, 10);
    expect((await inParts()).gradient).toEqual(gradient); // the same parts: the same bits
  });

  it("update is the three in one, to the bit, whatever was there before", async () => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      const [one, three] = [await open(dtype), await open(dtype)];
      const loss = tinyLoss({ loss: "ppo-clip", klWeight: 0.1 });
      const optimizer = tinyOptimizer({ weightDecay: 0.01 });
      for (let step = 0; step < 3; step++) {
        await one.forwardBackward(forest(2, 77), loss); // dropped by update
        const updated = await one.update(forest(9, step), loss, optimizer);
        const metrics = await three.forwardBackward(forest(9, step), loss);
        const stepped = await three.optimStep(optimizer);
        expect(updated.loss).toBe(metrics.loss);
        expect(updated.gradNorm).toBe(stepped.gradNorm);
      }
      for (const kind of ["weight", "gradient", "adam_m", "adam_v"] as const)
        expect(await readAll(kind, three)).toEqual(await readAll(kind, one));
      one.dispose();
      three.dispose();
    }
  });

  it("is spent by a step: readable after it, not used twice, and the next call starts from zero", async () => {
    const none = { code: "INPUT", message: expect.stringMatching(/no gradients/) };
    await expect(engine.optimStep(tinyOptimizer())).rejects.toMatchObject(none);
    const gradient = await gradientOf(forest(3), tinyLoss());
    await engine.optimStep(tinyOptimizer({ lr: 0 }));
    expect(await readAll("gradient")).toEqual(gradient);
    await expect(engine.optimStep(tinyOptimizer())).rejects.toMatchObject(none);
    await engine.forwardBackward(forest(3), tinyLoss());
    expect(await readAll("gradient")).toEqual(gradient);
    await engine.zeroGradients();
    expect((await readAll("gradient")).every((x) => x === 0)).toBe(true);
    await expect(engine.optimStep(tinyOptimizer())).rejects.toMatchObject(none);
    expect(engine.optimizerStep()).toBe(1);
  });

  it("can be written: an average of two, as another process would send it", async () => {
    const [a, b] = [await gradientOf(forest(3, 1), tinyLoss()), await gradientOf(forest(3, 2), tinyLoss())];
    await engine.optimStep(tinyOptimizer({ lr: 0 })); // spent: a write starts from zero
    let at = 0;
    for (const { name, shape } of engine.parameters()) {
      const count = shape.reduce((x, y) => x * y, 1);
      const mean = Float32Array.from({ length: count }, (_, i) => (a[at + i]! + b[at + i]!) / 2);
      at += count;
      await engine.writeTensor(name, "gradient", "float32", new Uint8Array(mean.buffer));
    }
    const mean = await readAll("gradient");
    const { gradNorm } = await engine.optimStep(tinyOptimizer());
    expect(gradNorm).toBeCloseTo(Math.hypot(...mean), 6);
  });

  it("is as it was after a call that was refused, and refused after one that failed halfway", async () => {
    const gradient = await gradientOf(forest(3), tinyLoss());
    const bad = forest(2);
    bad[1]!.behaviorLogprobs![2] = 0.5;
    await expect(engine.forwardBackward(bad, tinyLoss())).rejects.toMatchObject({
      code: "INPUT",
      details: { field: "batch[1].behaviorLogprobs" },
    });
    expect(await readAll("gradient")).toEqual(gradient);

    const torn = () =>
      engine.forwardBackward(
        forest(6).map((s) => ({ ...s, expectedLogprobs: s.behaviorLogprobs! })),
        tinyLoss({ tree: false, maxTokensPerMicroBatch: 16 }),
      );
    await expect(torn()).rejects.toMatchObject({
      code: "NUMERICS",
      details: { field: expect.stringMatching(/^batch\[\d\]\.expectedLogprobs\[\d\]$/) },
    });
    for (const next of [
      () => engine.optimStep(tinyOptimizer()),
      () => engine.forwardBackward(forest(1), tinyLoss()),
      () => engine.readTensor(engine.parameters()[0]!.name, "gradient", "float32"),
    ])
      await expect(next()).rejects.toMatchObject({
        code: "INPUT",
        message: expect.stringMatching(/halfway/),
      });
    await engine.zeroGradients();
    await expect(torn()).rejects.toMatchObject({ code: "NUMERICS" }); // none before it: none after it
    await expect(engine.optimStep(tinyOptimizer())).rejects.toThrow(/no gradients/);
    expect(await gradientOf(forest(3), tinyLoss())).toEqual(gradient);
  });

  it("stays through sampling and scoring, which see the weights before the step", async () => {
    const sequences = forest(3).map(({ tokens, actionStart }) => ({ tokens, actionStart }));
    const before = await engine.logprobs(sequences, { temperature: 1, tree: true });
    const gradient = await gradientOf(forest(3), tinyLoss());
    expect(await engine.logprobs(sequences, { temperature: 1, tree: true })).toEqual(before);
    expect(await readAll("gradient")).toEqual(gradient);
    await engine.optimStep(tinyOptimizer());
    expect(await engine.logprobs(sequences, { temperature: 1, tree: true })).not.toEqual(before);
  });
});

describe("per-token inputs and terms", () => {
  it("one advantage per token is the sum of its tokens' gradients; equal ones are one number", async () => {
    const [sequence] = forest(1);
    const { weights, ...plain } = sequence!;
    const length = weights!.length;
    const each = Float32Array.from({ length }, (_, t) => t - 2);
    const loss = tinyLoss({ aggregation: "sequence-sum" });
    const together = await gradientOf([{ ...plain, advantage: each }], loss);
    await engine.zeroGradients();
    for (const [t, advantage] of each.entries()) {
      const mask = Float32Array.from({ length }, (_, i) => (i === t ? 1 : 0));
      await engine.forwardBackward([{ ...plain, advantage, weights: mask }], loss);
    }
    expect(distance(await readAll("gradient"), together)).toBeLessThan(2e-6);
    expect(await gradientOf([{ ...plain, advantage: new Float32Array(length).fill(0.5) }], loss)).toEqual(
      await gradientOf([{ ...plain, advantage: 0.5 }], loss),
    );
  });

  it.each([
    ["entropyWeight", { entropyWeight: 0.7 }],
    ["k3+ (its gradient is k2's)", { klWeight: 0.5, klEstimator: "k2" }],
    ["weights and token-mean", { aggregation: "token-mean", loss: "ppo-clip", clipLow: 1, clipHigh: 1e9 }],
    ["a derivative of one's own", { loss: "derivative" }],
  ] as const)("%s: the gradient is that of the loss, by finite differences", async (_, more) => {
    const loss = tinyLoss({ temperature: 0.8, ...more } as Partial<NativeLossOptions>);
    const batch = forest(5).map((s) => ({
      ...s,
      derivative: Float64Array.from(s.weights!, (w, t) => w * (t - 2)),
    }));
    // The loss of "derivative" as a function of the weights: its value is linear in the log-probs.
    const lossValue = async () => {
      if (loss.loss !== "derivative") return (await engine.forwardBackward(batch, loss)).loss;
      const logprobs = await engine.logprobs(batch, { temperature: 0.8, tree: true });
      const per = batch.map((s, i) => s.derivative.reduce((all, d, t) => all + d * logprobs[i]![t]!, 0));
      return per.reduce((all, x, i) => all + x / sum(batch[i]!.weights!), 0) / batch.length;
    };
    const { name, shape } = engine.parameters().find((p) => p.name.endsWith("0.mlp.down_proj.weight"))!;
    const count = shape[0]! * shape[1]!;
    await gradientOf(batch, loss);
    const read = async (kind: TensorKind) =>
      new Float32Array((await engine.readTensor(name, kind, "float32")).slice().buffer);
    const [weights, gradient] = [await read("weight"), await read("gradient")];
    const next = uniform(9);
    const direction = Float32Array.from({ length: count }, () => next() - 0.5);
    const moved = async (h: number) => {
      const at = weights.map((w, i) => w + h * direction[i]!);
      await engine.writeTensor(name, "weight", "float32", new Uint8Array(at.buffer));
      return await lossValue();
    };
    const h = 4e-3;
    const numeric = ((await moved(h)) - (await moved(-h))) / (2 * h);
    const analytic = gradient.reduce((all, g, i) => all + g * direction[i]!, 0);
    expect(Math.abs(numeric - analytic)).toBeLessThan(2e-3 * Math.max(0.05, Math.abs(analytic)));
  });

  it("k3+ reports k3 and moves as k2", async () => {
    const batch = forest(4).map((s) => ({ ...s, advantage: 0 }));
    const of = (klEstimator: NativeLossOptions["klEstimator"]) => tinyLoss({ klWeight: 0.5, klEstimator });
    expect(await gradientOf(batch, of("k3+"))).toEqual(await gradientOf(batch, of("k2")));
    await engine.zeroGradients();
    expect((await engine.forwardBackward(batch, of("k3+"))).kl).toBe(
      (await engine.forwardBackward(batch, of("k3"))).kl,
    );
  });

  it("a masked token counts nowhere", async () => {
    const [sequence] = forest(1);
    const last = sequence!.weights!.length - 1;
    const weights = new Float32Array(last + 1).fill(1);
    weights[last] = 0;
    const shorter = {
      tokens: sequence!.tokens.slice(0, -1),
      actionStart: sequence!.actionStart,
      advantage: 0.7,
    };
    const loss = tinyLoss({ entropyWeight: 0.1 });
    const wanted = await gradientOf([shorter], loss);
    expect(
      distance(await gradientOf([{ ...shorter, tokens: sequence!.tokens, weights }], loss), wanted),
    ).toBeLessThan(1e-6);
    await engine.zeroGradients();
    const metrics = await engine.forwardBackward(
      [
        { ...shorter, tokens: sequence!.tokens, weights },
        { ...shorter, weights: new Float32Array(last) },
      ],
      tinyLoss(),
    );
    expect(metrics).toMatchObject({ labels: last, leftOut: 1 });
  });
});

describe("sequences that cannot change the gradient", () => {
  it.each([
    ["reinforce", {}],
    ["ppo-clip", { aggregation: "token-mean" }],
    ["derivative", {}],
  ] as const)("%s: are not computed, and the gradient is the same", async (name, more) => {
    const batch = forest(20).map((s, i) => ({
      ...s,
      advantage: i % 4 === 0 ? s.advantage : 0,
      derivative: Float64Array.from(s.weights!, (w, t) => (i % 4 === 0 ? w * (t - 1) : 0)),
    }));
    const loss = tinyLoss({ loss: name, ...more } as Partial<NativeLossOptions>);
    const gradient = await gradientOf(batch, loss);
    const { leftOut, treeTokens, tokens } = await engine.forwardBackward(batch, loss);
    expect(leftOut).toBe(15);
    expect(tokens).toBe(batch.reduce((all, s) => all + s.tokens.length, 0));
    // An advantage far below float32's rounding keeps them in.
    const tiny = batch.map((s) => ({
      ...s,
      advantage: s.advantage || 1e-30,
      derivative: s.derivative.map((d, t) => d || s.weights![t]! * 1e-30),
    }));
    await engine.zeroGradients();
    const whole = await engine.forwardBackward(tiny, loss);
    expect(whole.leftOut).toBe(0);
    expect(treeTokens).toBeLessThan(whole.treeTokens / 2);
    // Matrix products sum over other rows: float32's rounding, and nothing else.
    const wholeGradient = await readAll("gradient");
    expect(distance(gradient, wholeGradient)).toBeLessThan(2e-7);
    expect(Math.max(...gradient.map((g, i) => Math.abs(g - wholeGradient[i]!)))).toBeLessThan(1e-7);
  });

  it("stay where a KL or entropy term needs them, and a batch of nothing else is a gradient of zero", async () => {
    const batch = forest(4).map((s) => ({ ...s, advantage: 0 }));
    expect((await engine.forwardBackward(batch, tinyLoss({ klWeight: 0.1 }))).leftOut).toBe(0);
    expect((await engine.forwardBackward(batch, tinyLoss({ entropyWeight: 0.1 }))).leftOut).toBe(0);
    await engine.zeroGradients();
    expect(await engine.forwardBackward(batch, tinyLoss())).toMatchObject({
      leftOut: 4,
      loss: 0,
      treeTokens: 0,
    });
    expect(await engine.optimStep(tinyOptimizer())).toMatchObject({ gradNorm: 0, skipped: false });
  });
});

describe("parameter groups", () => {
  it("train as one optimizer per group would, leave frozen ones alone, and tell their norms apart", async () => {
    const parameters = engine.parameters();
    const groupOf = Int32Array.from(parameters, ({ name, shape }) =>
      name.includes("layers.0") ? 2 : shape.length === 1 ? 1 : 0,
    );
    const optimizer: NativeOptimizerOptions = {
      ...tinyOptimizer({ weightDecay: 0.1, maxGradNorm: 0 }),
      groups: [
        { lr: 5e-3, weightDecay: 0, frozen: false },
        { lr: 1, weightDecay: 0.5, frozen: true },
      ],
      groupOf,
    };
    const before = await readAll("weight");
    const { gradNorm, groupGradNorms } = await engine.update(forest(5), tinyLoss(), optimizer);
    const [weights, gradient] = [await readAll("weight"), await readAll("gradient")];
    const squares = [0, 0, 0];
    const alone = [await open(), await open()];
    await alone[0]!.update(forest(5), tinyLoss(), tinyOptimizer({ weightDecay: 0.1, maxGradNorm: 0 }));
    await alone[1]!.update(forest(5), tinyLoss(), tinyOptimizer({ lr: 5e-3, maxGradNorm: 0 }));
    const wanted = [await readAll("weight", alone[0]), await readAll("weight", alone[1]), before];
    let at = 0;
    for (const [i, { name, shape }] of parameters.entries()) {
      const end = at + shape.reduce((a, b) => a * b, 1);
      const group = groupOf[i]!;
      expect(weights.subarray(at, end), name).toEqual(wanted[group]!.subarray(at, end));
      for (const g of gradient.subarray(at, end)) squares[group]! += g * g;
      at = end;
    }
    expect(groupGradNorms[0]).toBeCloseTo(Math.sqrt(squares[0]!), 6);
    expect(groupGradNorms[1]).toBeCloseTo(Math.sqrt(squares[1]!), 6);
    expect(gradNorm).toBeCloseTo(Math.sqrt(squares[0]! + squares[1]!), 6);
    for (const one of alone) one.dispose();
  });

  it.each([
    ["groupOf", { groups: [{ lr: 1e-3, weightDecay: 0, frozen: false }], groupOf: Int32Array.of(1) }],
    ["groups[0].lr", { groups: [{ lr: 1e38, weightDecay: 0, frozen: false }], groupOf: new Int32Array(20) }],
  ])("are refused by name: %s", async (field, groups) => {
    await engine.forwardBackward(forest(2), tinyLoss());
    await expect(engine.optimStep({ ...tinyOptimizer(), ...groups })).rejects.toMatchObject({
      code: "INPUT",
      details: { field: `optimizer.${field}` },
    });
  });
});
