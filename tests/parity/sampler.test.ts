/** The log-prob recorded while sampling is the one the trainer computes, for every family and both types. */
import { describe, expect, it } from "vitest";
import type { Dtype, NativeGenerateOptions } from "../../src/native/addon.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { flat, maxDistance } from "./distance.js";
import { engineOf, models, readGolden } from "./golden.js";

const options: NativeGenerateOptions = {
  n: 4,
  temperature: 1,
  topK: 0,
  topP: 1,
  stopTokens: Int32Array.of(2),
  stopStrings: [],
};

// Only our own products promise that a row does not depend on its company.
const exact = !loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN");
const bound = (dtype: Dtype) => (exact ? 0 : dtype === "float32" ? 1e-5 : 0.05);

describe.each(models)("%s", (name) => {
  it.each(["float32", "bfloat16"] as const)("%s", async (dtype) => {
    const golden = await readGolden(name);
    const engine = await engineOf(golden, dtype);
    // Prompts of unequal length, one the prefix of another, longer and shorter than the sliding windows.
    const prompts = [1, 3, 11, 17, 40].map((length, i) => ({
      tokens: golden.batch[9]!.tokens.slice(0, length),
      seed: BigInt(i),
      maxNewTokens: 24,
    }));
    let sampled = 0;
    for (const temperature of [1, 0.7]) {
      const { completions } = await engine.generate(prompts, { ...options, temperature });
      const sequences = completions.flatMap((group, i) =>
        group.map((completion) => ({
          recorded: completion.logprobs,
          tokens: Int32Array.from([...prompts[i]!.tokens, ...completion.tokens]),
          actionStart: prompts[i]!.tokens.length,
        })),
      );
      expect(sequences.length).toBe(prompts.length * options.n);
      const recomputed = await engine.logprobs(
        sequences.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
        { temperature, tree: true },
      );
      const recorded = flat(sequences.map((sequence) => sequence.recorded));
      sampled += recorded.length;
      expect(Math.max(...recorded)).toBeLessThanOrEqual(0);
      expect(maxDistance(flat(recomputed), recorded)).toBeLessThanOrEqual(bound(dtype));
    }
    expect(sampled).toBeGreaterThan(100);
    engine.dispose();
  });
});
