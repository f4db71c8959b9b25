import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SwirlError } from "../../src/errors/swirl-error.js";
import type { EngineOptions, ModelConfig, NativeTrainSequence } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import {
  fillWeights,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  tinySampling,
} from "./tiny-model.mjs";

let engine: Engine;

beforeAll(async () => {
  engine = new Engine(tinyOptions());
  await fillWeights(engine);
});

afterAll(() => engine.dispose());

async function failure(work: () => unknown): Promise<SwirlError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(SwirlError);
    return error as SwirlError;
  }
  throw new Error("nothing was refused");
}

const good: NativeTrainSequence = { tokens: Int32Array.of(1, 2, 3, 4), actionStart: 2, advantage: 1 };
const as = <T>(value: unknown) => value as T;

describe("a batch", () => {
  const cases: [string, Partial<NativeTrainSequence>, RegExp, string][] = [
    [
      "token id past the vocabulary",
      { tokens: Int32Array.of(1, 101, 3) },
      /0 to 100.*101/,
      "batch[1].tokens",
    ],
    ["negative token id", { tokens: Int32Array.of(1, -1, 3) }, /element 1 is -1/, "batch[1].tokens"],
    ["no tokens", { tokens: new Int32Array() }, /at least one token/, "batch[1].tokens"],
    ["tokens of another type", { tokens: as([1, 2, 3]) }, /Int32Array/, "batch[1].tokens"],
    ["longer than the context", { tokens: new Int32Array(257) }, /at most 256/, "batch[1].tokens"],
    ["actionStart 0", { actionStart: 0 }, /actionStart is 0.*at least 1/, "batch[1].actionStart"],
    ["actionStart past the end", { actionStart: 9 }, /actionStart is 9.*4 tokens/, "batch[1].actionStart"],
    ["empty action", { actionStart: 4 }, /action is empty/, "batch[1].actionStart"],
    ["half an actionStart", { actionStart: 1.5 }, /integer/, "batch[1].actionStart"],
    ["NaN advantage", { advantage: Number.NaN }, /advantage is NaN/, "batch[1].advantage"],
    ["infinite advantage", { advantage: Number.POSITIVE_INFINITY }, /advantage/, "batch[1].advantage"],
    [
      "too few behaviour log-probs",
      { behaviorLogprobs: new Float32Array(1) },
      /2 elements/,
      "batch[1].behaviorLogprobs",
    ],
    [
      "NaN reference log-prob",
      { referenceLogprobs: Float32Array.of(-1, Number.NaN) },
      /element 1 is nan/i,
      "batch[1].referenceLogprobs",
    ],
  ];

  it.each(cases)("%s is refused by name", async (_, wrong, message, field) => {
    const error = await failure(() =>
      engine.update([good, { ...good, ...wrong }], tinyLoss(), tinyOptimizer()),
    );
    expect(error.code).toBe("INPUT");
    expect(error.message).toMatch(message);
    expect(error.details.field).toBe(field);
  });

  it("refuses an empty batch, and one that is not an array", async () => {
    expect((await failure(() => engine.update([], tinyLoss(), tinyOptimizer()))).message).toMatch(
      /at least one/,
    );
    expect((await failure(() => engine.update(as("x"), tinyLoss(), tinyOptimizer()))).message).toMatch(
      /"x".*array/,
    );
  });

  it("refuses a KL weight without reference log-probs: it would do nothing", async () => {
    const error = await failure(() => engine.forwardBackward([good], tinyLoss({ klWeight: 0.1 })));
    expect(error.message).toMatch(/batch\[0\].referenceLogprobs is missing/);
    expect(error.remedy).toMatch(/reference policy/);
  });

  it("changes nothing when it refuses", async () => {
    const { name } = engine.parameters()[0]!;
    const before = await engine.readTensor(name, "weight", "float32");
    await failure(() => engine.update([good, { ...good, actionStart: 0 }], tinyLoss(), tinyOptimizer()));
    expect(await engine.readTensor(name, "weight", "float32")).toEqual(before);
  });
});

describe("options", () => {
  it.each([
    ["loss", () => engine.forwardBackward([good], tinyLoss({ loss: as("grpo") })), "loss.loss"],
    ["temperature 0", () => engine.forwardBackward([good], tinyLoss({ temperature: 0 })), "loss.temperature"],
    [
      "NaN learning rate",
      () => engine.update([good], tinyLoss(), tinyOptimizer({ lr: Number.NaN })),
      "optimizer.lr",
    ],
    ["beta2 of 1", () => engine.update([good], tinyLoss(), tinyOptimizer({ beta2: 1 })), "optimizer.beta2"],
    ["no options", () => engine.update([good], as(undefined), tinyOptimizer()), "loss"],
    ["n of 0", () => generate({ n: 0 }), "options.n"],
    ["topP of 0", () => generate({ topP: 0 }), "options.topP"],
    [
      "stop token past the vocabulary",
      () => generate({ stopTokens: Int32Array.of(500) }),
      "options.stopTokens",
    ],
    ["stop strings without token bytes", () => generate({ stopStrings: ["x"] }), "options.stopStrings"],
    [
      "a signal that is none",
      () => engine.forwardBackward([good], tinyLoss(), { signal: as({}) }),
      "call.signal.aborted",
    ],
  ])("%s is refused by name", async (_, work, field) => {
    const error = await failure(work);
    expect(error.code).toBe("INPUT");
    expect(error.details.field).toBe(field);
  });

  const generate = (options: Parameters<typeof tinySampling>[0]) =>
    engine.generate([{ tokens: Int32Array.of(1), seed: 0n, maxNewTokens: 8 }], tinySampling(options));

  it.each([0, -1, 1.5, 2 ** 31, Number.NaN, as<number>(undefined), as<number>("8")])(
    "a prompt's maxNewTokens of %s is refused by name",
    async (maxNewTokens) => {
      const good = { tokens: Int32Array.of(1), seed: 0n, maxNewTokens: 8 };
      const error = await failure(() => engine.generate([good, { ...good, maxNewTokens }], tinySampling()));
      expect(error.code).toBe("INPUT");
      expect(error.details.field).toBe("prompts[1].maxNewTokens");
      expect(error.message).toMatch(/integer from 1 to/);
    },
  );

  it("refuses prompts that are empty, too long, or of unknown tokens", async () => {
    const prompt = (tokens: Int32Array) => () =>
      engine.generate([{ tokens, seed: 0n, maxNewTokens: 8 }], tinySampling());
    expect((await failure(prompt(new Int32Array()))).message).toMatch(/prompts\[0\]\.tokens/);
    expect((await failure(prompt(new Int32Array(256)))).message).toMatch(/context/);
    expect((await failure(prompt(Int32Array.of(101)))).message).toMatch(/0 to 100/);
  });

  it("refuses token bytes whose offsets do not fit", async () => {
    const error = await failure(() => engine.setTokenBytes(new Uint8Array(3), new Int32Array(5)));
    expect(error.message).toMatch(/102 elements/);
    const zeros = new Int32Array(102);
    expect((await failure(() => engine.setTokenBytes(new Uint8Array(3), zeros))).message).toMatch(
      /ascending/,
    );
  });
});

describe("tensors", () => {
  it("names the tensor that is unknown or has another size", async () => {
    const { name } = engine.parameters()[0]!;
    const unknown = await failure(() => engine.readTensor("model.nothing", "weight", "float32"));
    expect(unknown.message).toMatch(/model\.nothing/);
    const short = await failure(() => engine.writeTensor(name, "weight", "float32", new Uint8Array(4)));
    expect(short.message).toContain(name);
  });
});

describe("an engine", () => {
  const create = (change: Partial<EngineOptions>, config: Partial<ModelConfig> = {}) =>
    failure(() => new Engine({ ...tinyOptions(), ...change, config: { ...tinyConfig(), ...config } }));

  it("names the configuration field that is wrong", async () => {
    const error = await create({}, { layers: 0 });
    expect(error.code).toBe("CONFIG");
    expect(error.details.field).toBe("options.config.layers");
    expect((await create({ dtype: as("float16") })).message).toMatch(
      /dtype is "float16".*"float32" or "bfloat16"/,
    );
  });

  it("refuses numbers that do not make a model", async () => {
    expect((await create({}, { heads: 5 })).message).toMatch(/heads|kv/i);
    expect((await create({}, { slidingLayers: [true] })).message).toMatch(/sliding/i);
  });

  it("refuses devices that are not there, with the reason", async () => {
    const cuda = await create({ device: "cuda:7" });
    expect(cuda.code).toBe("DEVICE");
    expect(cuda.remedy).toMatch(/doctor/);
    expect((await create({ device: "tpu" })).message).toMatch(/no device called "tpu"/);
  });

  it("refuses a budget that cannot hold the weights, with the numbers", async () => {
    const error = await create({ memoryBudget: 1000 });
    expect(error.code).toBe("MEMORY");
    expect(error.message).toMatch(/\d/);
  });
});
