/**
 * The token tree gives exactly what the separate sequences give, and so do micro-batches cut from it. The golden
 * batch has depth 4 with forks inside words, forks at the first token, identical siblings, single-token actions and a
 * second root; random trees are drawn as well.
 */
import { describe, expect, it } from "vitest";
import type { NativeTrainSequence } from "../../src/native/addon.js";
import type { Engine } from "../../src/native/engine.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { flat, joinBiases, maxDistance, relativeErrors, worst } from "./distance.js";
import { engineOf, models, readAll, readGolden, reinforce } from "./golden.js";

// Only our own products promise that a row does not depend on its company.
const exact = !loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN");

async function gradients(engine: Engine, batch: NativeTrainSequence[], options: object) {
  await engine.zeroGradients();
  const metrics = await engine.forwardBackward(batch, { ...reinforce, ...options });
  return { metrics, tensors: joinBiases(await readAll(engine, "gradient")) };
}

async function expectSame(
  engine: Engine,
  batch: NativeTrainSequence[],
  options = {},
  bound = 1e-6,
): Promise<void> {
  const logprobs = async (tree: boolean) => flat(await engine.logprobs(batch, { temperature: 1, tree }));
  const separate = await logprobs(false);
  const scale = Math.max(...separate.map(Math.abs));
  expect(maxDistance(await logprobs(true), separate)).toBeLessThan(1e-6 * scale);
  const alone = await gradients(engine, batch, { ...options, tree: false });
  const tree = await gradients(engine, batch, options);
  expect(Math.abs(tree.metrics.loss - alone.metrics.loss)).toBeLessThan(
    1e-6 * Math.max(1, Math.abs(alone.metrics.loss)),
  );
  const { name, error } = worst(relativeErrors(tree.tensors, alone.tensors));
  expect(error, name).toBeLessThan(bound);
  expect(tree.metrics.tokens).toBe(alone.metrics.tokens);
  expect(tree.metrics.treeTokens).toBeLessThanOrEqual(alone.metrics.treeTokens);
}

/** Distinct prefixes: the rows a tree needs, were the last token of every sequence kept. */
function prefixes(batch: NativeTrainSequence[]): number {
  const seen = new Set<string>();
  for (const { tokens } of batch) {
    for (let end = 1; end <= tokens.length; end++) seen.add(tokens.slice(0, end).join(" "));
  }
  return seen.size;
}

describe.each(models)("%s", (name) => {
  it("the golden batch", async () => {
    const golden = await readGolden(name);
    const engine = await engineOf(golden, "float32");
    await expectSame(engine, golden.batch);
    await expectSame(engine, golden.batch, {
      loss: "ppo-clip",
      klWeight: 0.1,
      klEstimator: "k3",
      aggregation: "token-mean",
    });
    await expectSame(engine, [golden.batch[7]!]); // G = 1, N = 1: nothing shared
    const { metrics } = await gradients(engine, golden.batch, {});
    expect(metrics.treeTokens).toBeLessThanOrEqual(prefixes(golden.batch));
    engine.dispose();
  });

  it("micro-batches of any size", async () => {
    const golden = await readGolden(name);
    const engine = await engineOf(golden, "float32");
    const whole = await gradients(engine, golden.batch, { maxTokensPerMicroBatch: 10_000 });
    expect(whole.metrics.microBatches).toBe(1);
    const scored = await engine.logprobs(golden.batch, {
      temperature: 1,
      tree: true,
      maxTokensPerMicroBatch: 10_000,
    });
    const longest = Math.max(...golden.batch.map(({ tokens }) => tokens.length));
    for (const limit of [1, 4, 9, longest, longest + 7, longest + 20]) {
      // A trunk on the stack, batches above it: a row's arithmetic is the same wherever it lies.
      const options = { temperature: 1, tree: true, maxTokensPerMicroBatch: limit };
      const again = await engine.logprobs(golden.batch, options);
      expect(maxDistance(flat(again), flat(scored)), `limit ${limit}`).toBeLessThanOrEqual(exact ? 0 : 1e-5);
      const cut = await gradients(engine, golden.batch, { maxTokensPerMicroBatch: limit });
      expect(cut.metrics.microBatches, `limit ${limit}`).toBeGreaterThan(1);
      const { name: tensor, error } = worst(relativeErrors(cut.tensors, whole.tensors));
      expect(error, `limit ${limit}: ${tensor}`).toBeLessThan(2e-6);
      expect(Math.abs(cut.metrics.loss - whole.metrics.loss)).toBeLessThan(
        1e-6 * Math.abs(whole.metrics.loss),
      );
      expect(cut.metrics.entropy).toBeCloseTo(whole.metrics.entropy, 5);
      expect([cut.metrics.labels, cut.metrics.tokens]).toEqual([whole.metrics.labels, whole.metrics.tokens]);
    }
    engine.dispose();
  });

  it("the order of the batch does not matter", async () => {
    const golden = await readGolden(name);
    const engine = await engineOf(golden, "float32");
    const order = golden.batch.map((_, i) => (i * 5 + 3) % golden.batch.length);
    const first = await gradients(engine, golden.batch, {});
    const second = await gradients(
      engine,
      order.map((i) => golden.batch[i]!),
      {},
    );
    expect(worst(relativeErrors(second.tensors, first.tensors)).error).toBeLessThan(2e-6);
    const logprobs = await engine.logprobs(golden.batch, { temperature: 1, tree: true });
    const shuffled = await engine.logprobs(
      order.map((i) => golden.batch[i]!),
      { temperature: 1, tree: true },
    );
    expect(maxDistance(flat(shuffled), flat(order.map((i) => logprobs[i]!)))).toBeLessThan(1e-5);
    engine.dispose();
  });
});

describe("random trees", () => {
  it.each(["llama", "gemma2", "mistral", "gemma3"])("%s", async (name) => {
    const golden = await readGolden(name);
    const engine = await engineOf(golden, "float32");
    // Random advantages can leave a tensor whose terms all but cancel, and then rounding is a larger part of it.
    for (let seed = 1; seed <= 6; seed++) await expectSame(engine, randomBatch(seed), {}, 3e-6);
    engine.dispose();
  });
});

/** Up to 4 levels; every state branches; a small alphabet, so that unrelated tokens meet by chance. */
function randomBatch(seed: number): NativeTrainSequence[] {
  let state = seed;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const draw = (length: number) => Array.from({ length }, () => 3 + below(4));
  const batch: NativeTrainSequence[] = [];
  const grow = (context: number[], depth: number): void => {
    for (let action = 1 + below(3); action > 0; action--) {
      const tokens = [...context, ...draw(1 + below(5))];
      batch.push({
        tokens: Int32Array.from(tokens),
        actionStart: context.length,
        advantage: below(200) / 100 - 0.995,
      });
      if (depth < 4 && below(2) === 0) grow([...tokens, ...draw(below(4))], depth + 1);
    }
  };
  grow(draw(1 + below(12)), 1);
  grow(draw(1 + below(12)), 1);
  return batch;
}
