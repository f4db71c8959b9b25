/**
 * What the backward computes again gives the gradients, the loss and the log-probs of what was kept, to the bit: every
 * model family, with shared prefixes and without, in one batch and in several on top of each other, at every level. And
 * it takes less memory, by what `estimate` says.
 */
import { describe, expect, it } from "vitest";
import type { EngineOptions, ModelConfig, NativeTrainSequence, TensorKind } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { testDevice } from "../parity/golden.js";
import {
  addTinyAdapter,
  fillWeights,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  uniform,
} from "./tiny-model.mjs";

type Recompute = NonNullable<EngineOptions["recompute"]>;

const base = tinyConfig();
const gemma: Partial<ModelConfig> = {
  normOffset: true,
  activation: "gelu_tanh",
  postNorms: true,
  embedScale: 8,
  slidingWindow: 7,
  slidingLayers: [true, false],
};
const modules = [0, 1].flatMap((layer) =>
  ["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"].map(
    (part, i) => ({
      name: `model.layers.${layer}.${part}`,
      rank: 1 + i,
      scale: 2,
    }),
  ),
);
const families: [string, Partial<ModelConfig>][] = [
  ["llama", {}],
  ["llama with biases, untied", { qkvBias: true, outputBias: true, tiedEmbeddings: false }],
  ["qwen2", { qkvBias: true }],
  ["qwen3", { qkNorm: true }],
  ["gemma2", { ...gemma, attentionSoftcap: 50, logitSoftcap: 30 }],
  ["gemma3", { ...gemma, qkNorm: true }],
];

async function open(options: Partial<EngineOptions>, recompute: Recompute): Promise<Engine> {
  const engine = new Engine({ ...tinyOptions(), device: testDevice, ...options, recompute });
  await fillWeights(engine);
  return engine;
}

async function readAll(engine: Engine, kind: TensorKind, adapter?: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const { name } of engine.parameters(adapter))
    parts.push(await engine.readTensor(name, kind, "float32", undefined, undefined, adapter));
  return Buffer.concat(parts);
}

/** Sub-trajectories of `count` trajectories of three actions each, which share what came before. */
function batch(count: number, length: number): NativeTrainSequence[] {
  const next = uniform(5);
  const prompt = Array.from({ length: length >> 1 }, () => Math.floor(next() * 101));
  return Array.from({ length: count }, () => {
    const tokens = [...prompt, ...Array.from({ length }, () => Math.floor(next() * 101))];
    return [1, 2, 3].map((step) => ({
      tokens: Int32Array.from(tokens.slice(0, prompt.length + Math.floor((length * step) / 3))),
      actionStart: prompt.length + Math.floor((length * (step - 1)) / 3),
      advantage: 2 * next() - 1,
    }));
  }).flat();
}

describe.each(families)("%s", (_, family) => {
  const config = { ...base, ...family };

  it.each(["float32", "bfloat16"] as const)("%s: the same bits at every level", async (dtype) => {
    const engines = new Map<Recompute, Engine>();
    for (const level of ["none", "mlp", "layers"] as const)
      engines.set(level, await open({ config, dtype }, level));
    for (const engine of engines.values()) await addTinyAdapter(engine, "policy", modules);
    for (const [tree, adapter] of [[true], [false], [true, "policy"]] as const) {
      for (const maxTokensPerMicroBatch of [0, 40]) {
        const loss = tinyLoss({ tree, maxTokensPerMicroBatch, entropyWeight: 0.01 });
        const found = [];
        for (const [level, engine] of engines) {
          await engine.zeroGradients(adapter);
          const {
            loss: value,
            entropy,
            microBatches,
          } = await engine.forwardBackward(batch(4, 24), loss, adapter ? { adapter } : undefined);
          found.push({
            level,
            value,
            entropy,
            microBatches,
            gradient: await readAll(engine, "gradient", adapter),
          });
        }
        const [kept, ...recomputed] = found;
        expect(kept!.microBatches).toBe(maxTokensPerMicroBatch === 0 ? 1 : kept!.microBatches);
        if (maxTokensPerMicroBatch > 0) expect(kept!.microBatches).toBeGreaterThan(1);
        for (const { level, ...rest } of recomputed) {
          const same = rest.gradient.equals(kept!.gradient);
          expect({ level, same, ...rest, gradient: 0 }).toEqual({ ...kept, level, same: true, gradient: 0 });
        }
      }
    }
    for (const engine of engines.values()) engine.dispose();
  });
});

describe("memory", () => {
  const config = { ...base, layers: 4, slidingLayers: [false, false, false, false], intermediate: 256 };
  const sequences = batch(3, 60);
  const loss = tinyLoss({ maxTokensPerMicroBatch: 0 });

  async function peak(recompute: Recompute, memoryBudget = 512 * 2 ** 20) {
    const engine = await open({ config, dtype: "bfloat16", memoryBudget }, recompute);
    const { gradNorm, peakBytes } = await engine.update(sequences, loss, tinyOptimizer());
    const rows = 200;
    const { bytes } = engine.estimate(rows, rows);
    engine.dispose();
    return { gradNorm, peakBytes, bytes };
  }

  it("is less by the activations that are not kept, and estimate says so", async () => {
    const [none, mlp, layers] = [await peak("none"), await peak("mlp"), await peak("layers")];
    expect(mlp.peakBytes).toBeLessThan(none.peakBytes);
    expect(layers.peakBytes).toBeLessThan(mlp.peakBytes);
    expect((await peak("auto")).peakBytes).toBe(none.peakBytes);
    // gate_up of every layer and the gradient's own copy, against one: in bfloat16, 2 · intermediate per row.
    const gateUp = 200 * 2 * config.intermediate * 2;
    expect(none.bytes - mlp.bytes).toBe(config.layers * gateUp);
    // And input of the MLP (float32), attention and its log-sums (float32), against those of one layer.
    const rest = 200 * (config.width * 4 + config.heads * config.headDim * 2 + config.heads * 4);
    expect(mlp.bytes - layers.bytes).toBeGreaterThan((config.layers - 1) * rest - 64 * 20);
    expect(mlp.bytes - layers.bytes).toBeLessThan((config.layers - 1) * rest + 64 * 20);
  });

  it("auto keeps less where the batch would not fit otherwise, with the same step", async () => {
    const [none, mlp, layers] = [await peak("none"), await peak("mlp"), await peak("layers")];
    const longest = Math.max(...sequences.map(({ tokens }) => tokens.length));
    const one = await open({ config, dtype: "bfloat16" }, "none");
    const needed = one.estimate(longest, longest).bytes;
    one.dispose();
    const tight = await open({ config, dtype: "bfloat16" }, "layers");
    const least = tight.estimate(longest, longest).bytes;
    tight.dispose();
    const budget = Math.floor((needed + least) / 2);
    await expect(peak("none", budget)).rejects.toMatchObject({
      code: "MEMORY",
      remedy: expect.stringContaining('recompute: "auto"'),
    });
    const auto = await peak("auto", budget);
    expect(auto.peakBytes).toBeLessThanOrEqual(budget);
    expect([mlp.gradNorm, layers.gradNorm]).toEqual([none.gradNorm, none.gradNorm]);
    expect(auto.gradNorm).toBeCloseTo(none.gradNorm, 5); // in smaller batches: another order of the sums
  });
});
