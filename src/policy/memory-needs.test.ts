/** Memory needs computed from a config alone against the engine's own plans. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ModelConfig } from "../native/addon.js";
import { Engine } from "../native/engine.js";
import { readModelConfig } from "./checkpoint/model-config.js";
import { activationBytes, compactBytes, countParameters, stateBytes, weightBytes } from "./memory-needs.js";
import { NativePolicy } from "./native-policy.js";

const golden = (name: string) => join(import.meta.dirname, "../../tests/golden", name);

async function wide(name: string): Promise<ModelConfig> {
  const { model } = await readModelConfig(golden(name));
  return {
    ...model,
    width: 128,
    intermediate: 384,
    vocab: 3000,
    layers: 3,
    slidingLayers: [false, false, false],
  };
}

describe.each(["llama", "qwen3", "gemma3"])("%s", (name) => {
  it.each([
    ["float32", "float32"],
    ["bfloat16", "float32"],
    ["bfloat16", "compact"],
  ] as const)(
    "an update in %s with %s state, within 3 % of the engine's estimate",
    async (dtype, optimizerState) => {
      const config = await wide(name);
      const memory = {
        device: "cpu",
        dtype,
        threads: 1,
        memoryBudget: 2 ** 40,
        trainable: true,
        optimizerState,
      };
      using engine = disposing(new Engine({ ...memory, config }));
      const counts = countParameters(config);
      const fixed =
        optimizerState === "compact"
          ? compactBytes(counts)
          : weightBytes(counts, dtype, true) + stateBytes(counts);
      for (const [tokens, labels] of [
        [200, 50],
        [6000, 1500],
      ] as const) {
        const truth = engine.value.estimate(tokens, labels).bytes;
        const found = fixed + activationBytes(config, dtype, tokens, labels, "all");
        expect(Math.abs(found / truth - 1), `${tokens}: ${found}, not ${truth}`).toBeLessThan(0.03);
      }
    },
  );
});

it("a model that can never be trained is refused before its weights are read", async () => {
  const load = NativePolicy.load(golden("llama"), { device: "cpu", threads: 1, memoryBudget: 300_000 });
  await expect(load).rejects.toMatchObject({
    code: "MEMORY",
    message: expect.stringMatching(/optimizer state.*lora/s),
  });
  await using small = await NativePolicy.load(golden("llama"), {
    device: "cpu",
    threads: 1,
    memoryBudget: 300_000,
    trainable: false,
  });
  expect(small.trainable).toBe(false);
});

function disposing(value: Engine): Disposable & { value: Engine } {
  return { value, [Symbol.dispose]: () => value.dispose() };
}
