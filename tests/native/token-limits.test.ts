/**
 * A prompt's token limit is its own: in a batch of different limits every completion is the one sampled alone, ends
 * where it would alone, is computed no further, and takes room for its own tokens only.
 */
import { afterEach, expect, it } from "vitest";
import type { NativePrompt } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { fillWeights, tinyConfig, tinyOptions, tinySampling, uniform } from "./tiny-model.mjs";

let engine: Engine;
afterEach(() => engine.dispose());

const exact = !loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN");
const config = tinyConfig();
const next = uniform(3);
const prompts: NativePrompt[] = [1, 60, 7, 128, 33, 2, 90, 16, 17, 18].map((maxNewTokens, i) => ({
  tokens: Int32Array.from({ length: 3 + 9 * i }, () => Math.floor(next() * config.vocab)),
  seed: BigInt(40 + i),
  maxNewTokens,
}));
const sampling = tinySampling({ n: 3, stopTokens: Int32Array.of(5) });

async function open(options = {}): Promise<Engine> {
  engine = new Engine({ ...tinyOptions(), trainable: false, ...options });
  await fillWeights(engine);
  return engine;
}

it("samples in a batch of limits what is sampled alone, and ends each at its own", async () => {
  await open();
  const { completions } = await engine.generate(prompts, sampling);
  engine.dispose();
  await open();
  let reached = 0;
  for (const [i, prompt] of prompts.entries()) {
    const alone = (await engine.generate([prompt], sampling)).completions[0]!;
    for (const [j, { tokens, logprobs, finishReason }] of completions[i]!.entries()) {
      expect(tokens).toEqual(alone[j]!.tokens);
      if (exact) expect(logprobs).toEqual(alone[j]!.logprobs);
      const stopped = tokens.indexOf(5);
      expect(finishReason).toBe(stopped < 0 ? "length" : "eos");
      expect(tokens).toHaveLength(stopped < 0 ? prompt.maxNewTokens : stopped + 1);
      reached += stopped < 0 ? 1 : 0;
    }
  }
  expect(reached).toBeGreaterThan(10);
});

it("ends at the context where that is nearer than the limit", async () => {
  await open();
  const tokens = new Int32Array(config.maxPositions - 4).fill(9);
  const { completions, stats } = await engine.generate(
    [
      { tokens, seed: 1n, maxNewTokens: 2 ** 31 - 1 },
      { tokens, seed: 2n, maxNewTokens: 3 },
    ],
    tinySampling(),
  );
  expect(completions.map(([completion]) => completion!.tokens.length)).toEqual([4, 3]);
  expect(completions.map(([completion]) => completion!.finishReason)).toEqual(["length", "length"]);
  expect(stats.decodedTokens).toBe(7);
});

it("computes no row after a prompt's own limit", async () => {
  await open({ profile: true });
  await engine.generate(prompts, tinySampling());
  const { products } = (await engine.profile()).calls.find(({ call }) => call === "generate")!;
  const down = products.filter(({ k }) => k === config.intermediate);
  const rows = prompts.reduce((sum, { tokens, maxNewTokens }) => sum + tokens.length + maxNewTokens - 1, 0);
  const flops = down.reduce((sum, product) => sum + product.flops, 0);
  expect(flops).toBe(rows * config.layers * 2 * config.width * config.intermediate);
});

it("takes room for each prompt's own tokens", async () => {
  const long = { ...config, maxPositions: 20_000 };
  const mixed = Array.from({ length: 64 }, (_, i) => ({
    tokens: Int32Array.of(1 + i),
    seed: BigInt(i),
    maxNewTokens: i === 0 ? 4000 : 4,
  }));
  const slotBytes = 2 * config.layers * config.kvHeads * config.headDim * Float32Array.BYTES_PER_ELEMENT;
  const memoryBudget = 12_000 * slotBytes; // the weights and 4,000 slots with room; 64 times 4,000 never
  await open({ config: long, memoryBudget });
  const oneToken = tinySampling({ stopTokens: Int32Array.from({ length: config.vocab }, (_, i) => i) });
  const { completions } = await engine.generate(mixed, oneToken);
  expect(completions).toHaveLength(64);
  const equal = mixed.map((prompt) => ({ ...prompt, maxNewTokens: 4000 }));
  await expect(engine.generate(equal, oneToken)).rejects.toMatchObject({ code: "MEMORY" });
});
