/** Weights and moments are finite at all times: what would make them otherwise is refused or undone. */
import { beforeEach, expect, it } from "vitest";
import type { TensorKind } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { testDevice } from "../parity/golden.js";
import { fillWeights, tinyBatch, tinyLoss, tinyOptimizer, tinyOptions, tinySampling } from "./tiny-model.mjs";

let engine: Engine;
beforeEach(async () => {
  engine = new Engine({ ...tinyOptions(), device: testDevice });
  await fillWeights(engine);
  return () => engine.dispose();
});

async function everything(): Promise<string> {
  const parts: string[] = [String(engine.optimizerStep())];
  for (const kind of ["weight", "adam_m", "adam_v"] as TensorKind[])
    for (const { name } of engine.parameters())
      parts.push(Buffer.from(await engine.readTensor(name, kind, "float32")).toString("base64"));
  return parts.join();
}

const bytes = (count: number, value: number) => new Uint8Array(new Float32Array(count).fill(value).buffer);

async function writeGradients(value: number): Promise<void> {
  for (const { name, shape } of engine.parameters())
    await engine.writeTensor(
      name,
      "gradient",
      "float32",
      bytes(
        shape.reduce((a, b) => a * b, 1),
        value,
      ),
    );
}

it.each([
  ["eps", { eps: 0 }],
  ["eps", { eps: 1e-40 }],
  ["eps", { eps: 1e300 }],
  ["lr", { lr: 1e38 }],
  ["lr", { lr: 1e-50 }],
  ["lr", { lr: 1e300 }],
  ["weightDecay", { weightDecay: 1e300 }],
  ["weightDecay", { weightDecay: 2000 }],
  ["maxGradNorm", { maxGradNorm: 1e-60 }],
])("refuses an optimizer's %s in %o, and changes nothing", async (field, options) => {
  await engine.update(tinyBatch(2), tinyLoss(), tinyOptimizer());
  const before = await everything();
  await expect(engine.update(tinyBatch(2), tinyLoss(), tinyOptimizer(options))).rejects.toMatchObject({
    code: "INPUT",
    details: { field: `optimizer.${field}` },
  });
  expect(await everything()).toBe(before);
});

it.each(["float32", "bfloat16"] as const)(
  "skips the step that would overflow a weight, and leaves every bit (%s)",
  async (dtype) => {
    engine.dispose();
    engine = new Engine({ ...tinyOptions(), dtype, device: testDevice });
    await fillWeights(engine);
    const optimizer = tinyOptimizer({ lr: 3e37, maxGradNorm: 0 });
    let before = "";
    let steps = 0;
    for (; steps < 20; steps++) {
      before = await everything();
      await writeGradients(-1);
      const { skipped, skipReason } = await engine.optimStep(optimizer);
      if (!skipped) continue;
      expect(skipReason).toMatch(/model\.embed_tokens\.weight\[\d+\] .*not finite/);
      break;
    }
    expect(steps).toBeGreaterThan(2);
    expect(steps).toBeLessThan(20);
    expect(await everything()).toBe(before);
    await writeGradients(1); // and smaller steps still work
    expect((await engine.optimStep(tinyOptimizer())).skipped).toBe(false);
  },
);

it("skips a gradient whose square float32 cannot hold", async () => {
  const before = await everything();
  await writeGradients(1e30);
  const { skipped, skipReason } = await engine.optimStep(tinyOptimizer({ maxGradNorm: 0 }));
  expect(skipped).toBe(true);
  expect(skipReason).toMatch(/moments not finite/);
  expect(await everything()).toBe(before);
});

it("says which parameter has the gradient that is not finite, and whether it was the loss", async () => {
  const { name, shape } = engine.parameters().find((p) => p.name.includes("o_proj"))!;
  await engine.writeTensor(name, "weight", "float32", bytes(shape[0]! * shape[1]!, 3e38));
  const before = await everything();
  const metrics = await engine.update(tinyBatch(2), tinyLoss(), tinyOptimizer());
  expect(metrics).toMatchObject({ skipped: true, skipReason: expect.stringMatching(/not finite/) });
  expect(await everything()).toBe(before);
  // What such weights give is an error, not token 0.
  await expect(
    engine.generate([{ tokens: Int32Array.of(1, 2), seed: 1n, maxNewTokens: 3 }], tinySampling()),
  ).rejects.toMatchObject({ code: "NUMERICS" });
  await expect(
    engine.logprobs([{ tokens: Int32Array.of(1, 2, 3), actionStart: 1 }], { temperature: 1, tree: true }),
  ).rejects.toMatchObject({ code: "NUMERICS" });
});

it.each([
  ["weight", Number.NaN],
  ["weight", Number.POSITIVE_INFINITY],
  ["weight", 3.4e38],
  ["gradient", Number.NaN],
  ["adam_m", Number.NEGATIVE_INFINITY],
  ["adam_v", -1],
] as const)("refuses a %s of %s, naming the tensor", async (kind, value) => {
  await engine.update(tinyBatch(2), tinyLoss(), tinyOptimizer());
  const before = await everything();
  const { name, shape } = engine.parameters()[2]!;
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  values[5] = value;
  await expect(
    engine.writeTensor(name, kind, "float32", new Uint8Array(values.buffer)),
  ).rejects.toMatchObject({ code: "NUMERICS", details: { tensor: name, field: "data[5]" } });
  expect(await everything()).toBe(before);
});

it.each([1e-40, 1e-30, 1e-7])("refuses a temperature of %s", async (temperature) => {
  const prompt = { tokens: Int32Array.of(1, 2), seed: 1n, maxNewTokens: 3 };
  const field = (name: string) => ({ code: "INPUT", details: { field: name } });
  await expect(engine.generate([prompt], tinySampling({ temperature }))).rejects.toMatchObject(
    field("options.temperature"),
  );
  await expect(
    engine.logprobs([{ tokens: prompt.tokens, actionStart: 1 }], { temperature, tree: true }),
  ).rejects.toMatchObject(field("options.temperature"));
  await expect(engine.update(tinyBatch(1), tinyLoss({ temperature }), tinyOptimizer())).rejects.toMatchObject(
    field("loss.temperature"),
  );
});
