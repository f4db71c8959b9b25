import { afterEach, describe, expect, it } from "vitest";
import { SwirlError } from "../../src/errors/swirl-error.js";
import { Engine } from "../../src/native/engine.js";
import { fillWeights, tinyBatch, tinyLoss, tinyOptimizer, tinyOptions, tinySampling } from "./tiny-model.mjs";

let engines: Engine[] = [];

async function tinyEngine(): Promise<Engine> {
  const engine = new Engine(tinyOptions());
  engines.push(engine);
  await fillWeights(engine);
  return engine;
}

afterEach(() => {
  for (const engine of engines) engine.dispose();
  engines = [];
});

/** Long enough that something can happen in the middle: one micro-batch a sequence. */
const longBatch = tinyBatch(400);
const separate = tinyLoss({ tree: false });

async function rejection(promise: Promise<unknown>): Promise<SwirlError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SwirlError);
  return error as SwirlError;
}

describe("values", () => {
  it("copies its inputs at the call", async () => {
    const engine = await tinyEngine();
    const sequence = tinyBatch(1)[0]!;
    const [expected] = await engine.logprobs([sequence], { temperature: 1, tree: true });
    const reused = sequence.tokens.slice();
    const pending = engine.logprobs([{ tokens: reused, actionStart: sequence.actionStart }], {
      temperature: 1,
      tree: true,
    });
    reused.fill(0);
    expect((await pending)[0]).toEqual(expected);
  });

  it("takes typed arrays that are views into a larger buffer", async () => {
    const engine = await tinyEngine();
    const sequence = tinyBatch(1)[0]!;
    const [expected] = await engine.logprobs([sequence], { temperature: 1, tree: true });
    const wide = new Int32Array(sequence.tokens.length + 20).fill(100);
    wide.set(sequence.tokens, 10);
    const view = wide.subarray(10, 10 + sequence.tokens.length);
    const [found] = await engine.logprobs([{ tokens: view, actionStart: sequence.actionStart }], {
      temperature: 1,
      tree: true,
    });
    expect(found).toEqual(expected);
  });

  it("gives back the tensors written, in both dtypes", async () => {
    const engine = await tinyEngine();
    const { name, shape } = engine.parameters()[0]!;
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 8 - 3);
    await engine.writeTensor(name, "weight", "float32", new Uint8Array(values.buffer));
    const back = await engine.readTensor(name, "weight", "float32");
    expect(new Float32Array(back.buffer)).toEqual(values);
    const half = await engine.readTensor(name, "weight", "bfloat16");
    expect(half.length).toBe(values.length * 2);
  });

  it("keeps calls in the order they were made", async () => {
    const engine = await tinyEngine();
    const order: number[] = [];
    await Promise.all(
      [40, 1, 10, 1].map((count, i) =>
        engine.logprobs(tinyBatch(count), { temperature: 1, tree: false }).then(() => order.push(i)),
      ),
    );
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it("counts optimizer steps, and a step that is set holds for the next update", async () => {
    const engine = await tinyEngine();
    expect(engine.optimizerStep()).toBe(0);
    await engine.update(tinyBatch(2), tinyLoss(), tinyOptimizer());
    expect(engine.optimizerStep()).toBe(1);
    engine.setOptimizerStep(41);
    expect(engine.optimizerStep()).toBe(41);
    await engine.update(tinyBatch(2), tinyLoss(), tinyOptimizer());
    expect(engine.optimizerStep()).toBe(42);
  });

  it("samples the same tokens for the same seed, in any company", async () => {
    const engine = await tinyEngine();
    const tokens = Int32Array.of(3, 1, 4, 1, 5);
    const alone = await engine.generate([{ tokens, seed: 9n, maxNewTokens: 8 }], tinySampling());
    const together = await engine.generate(
      [
        { tokens: Int32Array.of(2, 7), seed: 1n, maxNewTokens: 8 },
        { tokens, seed: 9n, maxNewTokens: 8 },
      ],
      tinySampling({ n: 3 }),
    );
    expect(together.completions[1]![0]!.tokens).toEqual(alone.completions[0]![0]!.tokens);
    expect(together.completions[1]).toHaveLength(3);
  });

  it("answers estimate and memory while a call runs", async () => {
    const engine = await tinyEngine();
    const running = engine.forwardBackward(longBatch, separate);
    expect(engine.memory().budget).toBe(512 * 2 ** 20);
    expect(engine.memory().bytes).toBeGreaterThan(0);
    expect(engine.estimate(1000, 500).bytes).toBeGreaterThan(engine.estimate(10, 5).bytes);
    await running;
  });
});

describe("progress", () => {
  it("rises to the total and is throttled", async () => {
    const engine = await tinyEngine();
    const seen: [number, number][] = [];
    await engine.forwardBackward(longBatch, separate, {
      onProgress: (done, total) => seen.push([done, total]),
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(longBatch.length);
    const [done, total] = seen.at(-1)!;
    expect(done).toBe(total);
    expect(seen.every(([d], i) => i === 0 || d >= seen[i - 1]![0])).toBe(true);
  });

  it("rejects the call with what the callback threw, and the engine stays usable", async () => {
    const engine = await tinyEngine();
    const thrown = new Error("from the callback");
    const error = await rejection(
      engine.forwardBackward(longBatch, separate, {
        onProgress: () => {
          throw thrown;
        },
      }),
    );
    expect(error.cause).toBe(thrown);
    expect((await engine.logprobs(tinyBatch(1), { temperature: 1, tree: true }))[0]).toHaveLength(32);
  });
});

describe("abort", () => {
  it("rejects at once when the signal is aborted already", async () => {
    const engine = await tinyEngine();
    const error = await rejection(
      engine.forwardBackward(tinyBatch(1), separate, { signal: AbortSignal.abort(new Error("enough")) }),
    );
    expect(error.code).toBe("ABORTED");
    expect((error.cause as Error).message).toBe("enough");
  });

  it("stops a running call and leaves the weights as they were", async () => {
    const engine = await tinyEngine();
    const { name } = engine.parameters()[0]!;
    const before = await engine.readTensor(name, "weight", "float32");
    const controller = new AbortController();
    let calls = 0;
    const error = await rejection(
      engine.update(longBatch, separate, tinyOptimizer(), {
        signal: controller.signal,
        onProgress: () => {
          calls += 1;
          controller.abort();
        },
      }),
    );
    expect(calls).toBe(1);
    expect(error.code).toBe("ABORTED");
    expect(await engine.readTensor(name, "weight", "float32")).toEqual(before);
    expect(engine.optimizerStep()).toBe(0);
  });

  it("stops inside a long micro-batch", async () => {
    const deep = {
      ...tinyOptions(),
      memoryBudget: 2 ** 31,
      config: { ...tinyOptions().config, layers: 32, slidingLayers: Array(32).fill(false) },
    };
    const engine = new Engine(deep);
    engines.push(engine);
    const whole = tinyLoss({ maxTokensPerMicroBatch: 100_000 });
    const begun = performance.now();
    const { microBatches } = await engine.forwardBackward(tinyBatch(24), whole);
    const uninterrupted = performance.now() - begun;
    expect(microBatches).toBe(1);
    const again = performance.now();
    const signal = AbortSignal.timeout(Math.ceil(uninterrupted / 10));
    expect((await rejection(engine.forwardBackward(tinyBatch(24), whole, { signal }))).code).toBe("ABORTED");
    expect(performance.now() - again).toBeLessThan(uninterrupted / 2);
  });

  it("takes a queued call out of the queue without waiting for the one before it", async () => {
    const engine = await tinyEngine();
    const controller = new AbortController();
    let runningDone = false;
    const running = engine.forwardBackward(longBatch, separate).then(() => {
      runningDone = true;
    });
    const queued = engine.forwardBackward(longBatch, separate, { signal: controller.signal });
    controller.abort();
    const error = await rejection(queued);
    expect(error.code).toBe("ABORTED");
    expect(runningDone).toBe(false);
    await running;
  });

  it("stops generating", async () => {
    const engine = await tinyEngine();
    const controller = new AbortController();
    const error = await rejection(
      engine.generate([{ tokens: Int32Array.of(1), seed: 1n, maxNewTokens: 250 }], tinySampling({ n: 64 }), {
        signal: controller.signal,
        onProgress: () => controller.abort(),
      }),
    );
    expect(error.code).toBe("ABORTED");
  });

  it("no longer listens once the call is done", async () => {
    const engine = await tinyEngine();
    const controller = new AbortController();
    await engine.logprobs(tinyBatch(1), { temperature: 1, tree: true }, { signal: controller.signal });
    controller.abort();
    await engine.logprobs(tinyBatch(1), { temperature: 1, tree: true });
  });
});

describe("dispose", () => {
  it("is idempotent, rejects what is pending at once, and every later call", async () => {
    const engine = await tinyEngine();
    const pending = [
      engine.forwardBackward(longBatch, separate),
      engine.logprobs(longBatch, { temperature: 1, tree: true }),
    ].map(rejection);
    const begun = performance.now();
    engine.dispose();
    engine.dispose();
    for (const error of await Promise.all(pending)) expect(error.code).toBe("DISPOSED");
    expect(performance.now() - begun).toBeLessThan(1000);
    expect((await rejection(engine.logprobs(tinyBatch(1), { temperature: 1, tree: true }))).code).toBe(
      "DISPOSED",
    );
    expect(() => engine.parameters()).toThrow(/disposed/);
    expect(() => engine.memory()).toThrow(/disposed/);
    expect(() => engine.setOptimizerStep(1)).toThrow(/disposed/);
  });

  it("may be called from a progress callback", async () => {
    const engine = await tinyEngine();
    const error = await rejection(
      engine.forwardBackward(longBatch, separate, { onProgress: () => engine.dispose() }),
    );
    expect(error.code).toBe("DISPOSED");
  });

  it("happens at the end of an `await using` block", async () => {
    let outside: Engine;
    {
      await using engine = new Engine(tinyOptions());
      outside = engine;
      expect(engine.parameters().length).toBeGreaterThan(0);
    }
    expect(() => outside.parameters()).toThrow(/disposed/);
  });

  it("frees the memory of engines made and dropped in a row", async () => {
    const options = { ...tinyOptions(), config: { ...tinyOptions().config, width: 512, vocab: 20000 } };
    const residents: number[] = [];
    for (let i = 0; i < 30; i++) {
      const engine = new Engine(options); // 160 MiB of weights, gradients and moments
      engine.dispose();
      residents.push(process.memoryUsage.rss());
    }
    expect(residents.at(-1)! - residents[4]!).toBeLessThan(200 * 2 ** 20);
  });

  it("keeps memory flat over thousands of calls, refused and aborted ones among them", async () => {
    const engine = await tinyEngine();
    const batch = tinyBatch(4, 16);
    const round = async () => {
      const controller = new AbortController();
      const aborted = engine.forwardBackward(batch, tinyLoss(), { signal: controller.signal });
      controller.abort();
      await aborted.catch(() => undefined);
      await engine
        .logprobs([{ tokens: Int32Array.of(1), actionStart: 0 }], { temperature: 1, tree: true })
        .catch(() => 0);
      await engine.update(batch, tinyLoss(), tinyOptimizer());
    };
    for (let i = 0; i < 300; i++) await round();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 1500; i++) await round();
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20);
  });
});
