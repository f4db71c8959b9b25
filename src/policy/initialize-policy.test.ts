/** New models: the same seed gives the same bytes, another seed others; scales are as documented; any family works. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { SwirlError } from "../errors/swirl-error.js";
import { openCheckpoint, readParameter } from "./checkpoint/checkpoint.js";
import { initializePolicy } from "./initialize-policy.js";

const golden = join(import.meta.dirname, "../../tests/golden");
const llama = {
  model_type: "llama",
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  initializer_range: 0.05,
};

let scratch = "";
beforeAll(() => {
  scratch = temporaryFolder();
});

async function values(folder: string, name: string): Promise<Float32Array> {
  const { dtype, data } = await readParameter(await openCheckpoint(folder), name);
  expect(dtype).toBe("float32");
  return new Float32Array(data.slice().buffer);
}
const deviation = (numbers: Float32Array) =>
  Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length);

describe("initializePolicy", () => {
  it("gives the same bytes for the same seed only", async () => {
    const bytes = async (name: string, seed: number) => {
      await initializePolicy(join(scratch, name), { config: llama, seed });
      return await readFile(join(scratch, name, "model.safetensors"));
    };
    const first = await bytes("a", 1);
    expect(Buffer.compare(first, await bytes("b", 1))).toBe(0);
    expect(Buffer.compare(first, await bytes("c", 2))).not.toBe(0);
  });

  it("scales matrices by the config, residual ones by depth, and leaves norms the identity", async () => {
    const folder = join(scratch, "scales");
    await initializePolicy(folder, { config: llama, seed: 3, files: { "tokenizer.json": "{}" } });
    expect(deviation(await values(folder, "model.embed_tokens.weight"))).toBeCloseTo(0.05, 2);
    expect(deviation(await values(folder, "lm_head.weight"))).toBeCloseTo(0.05, 2);
    const down = deviation(await values(folder, "model.layers.1.mlp.down_proj.weight"));
    expect(Math.abs(down - 0.025)).toBeLessThan(0.002);
    expect(new Set(await values(folder, "model.norm.weight"))).toEqual(new Set([1]));
    expect(await readFile(join(folder, "tokenizer.json"), "utf8")).toBe("{}");
  });

  it("knows that Gemma's norms are offsets from one, and that biases begin at zero", async () => {
    for (const [name, parameter] of [
      ["gemma2", "model.norm.weight"],
      ["qwen2", "model.layers.0.self_attn.q_proj.bias"],
    ] as const) {
      const config = JSON.parse(await readFile(join(golden, name, "config.json"), "utf8"));
      await initializePolicy(join(scratch, name), { config, seed: 1 });
      expect(new Set(await values(join(scratch, name), parameter))).toEqual(new Set([0]));
    }
  });

  it("refuses a config the engine cannot run", async () => {
    const config = { ...llama, num_local_experts: 8, model_type: "mixtral" };
    const error = await initializePolicy(join(scratch, "moe"), { config, seed: 1 }).catch((e: unknown) => e);
    expect(SwirlError.isInstance(error) && error.code).toBe("CHECKPOINT");
  });
});
