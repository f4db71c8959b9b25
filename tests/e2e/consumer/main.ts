// A project that depends on swirl-rl: makes a tiny model, scores an action, reinforces it, and scores it again.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculate, initializePolicy, Policy, SwirlError, tool } from "swirl-rl";
import { z } from "zod";

const folder = await mkdtemp(join(tmpdir(), "swirl-consumer-model-"));
try {
  await initializePolicy(folder, {
    config: {
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      vocab_size: 50,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      hidden_act: "silu",
      tie_word_embeddings: true,
    },
    seed: 1,
  });
  await using policy = await Policy.load(folder, { device: "cpu" });
  const step = { tokens: [1, 2, 3, 4, 5], actionStart: 3 };
  const sum = async () => (await policy.logprobs([step]))[0]!.reduce((total, logprob) => total + logprob, 0);
  const before: number = await sum();
  const metrics = await policy.update([{ ...step, advantage: 1 }], { optimizer: { lr: 1e-2 } });
  const after = await sum();
  if (!(after > before) || metrics.tokens !== 5) throw new Error(`no gain: ${before} → ${after}`);

  const refused: unknown = await policy
    .logprobs([{ ...step, actionStart: 0 }])
    .catch((error: unknown) => error);
  if (!SwirlError.isInstance(refused) || refused.code !== "INPUT")
    throw new Error("actionStart 0 was accepted");
} finally {
  await rm(folder, { recursive: true });
}

const double = tool({
  name: "double",
  description: "twice a number",
  inputSchema: z.object({ x: z.number() }),
  execute: ({ x }) => String(calculate(`2 * ${x}`)),
});
console.log("consumer ran", await double.execute({ x: 21 }, {}));
