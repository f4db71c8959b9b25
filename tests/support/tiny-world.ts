/**
 * A world small enough to train in within a second: a random two-layer model with the demo's tokenizer, a look-up tool,
 * and demonstrations of one call and an answer. Everything is a function of its seeds.
 */
import { z } from "zod";
import { exactMatcher } from "../../src/answers/matchers.js";
import { tokenizerConfig, tokenizerJson, VOCABULARY } from "../../src/demo/tokenizer.js";
import { RuleJudge } from "../../src/judge/rule-judge.js";
import { initializePolicy } from "../../src/policy/initialize-policy.js";
import type { TrainerPolicy } from "../../src/policy/trainer-policy.js";
import { demonstrate } from "../../src/synthesize/demonstrations.js";
import { defineTask } from "../../src/synthesize/task.js";
import { tool } from "../../src/tools/tool.js";
import type { Demonstration } from "../../src/trajectory/demonstration.js";
import type { Trajectory } from "../../src/trajectory/trajectory.js";

export async function writeTinyModel(
  folder: string,
  options: { seed?: number; context?: number } = {},
): Promise<void> {
  const { seed = 1, context = 256 } = options;
  await initializePolicy(folder, {
    config: {
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      vocab_size: VOCABULARY.length,
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      hidden_act: "silu",
      max_position_embeddings: context,
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      tie_word_embeddings: true,
      initializer_range: 0.05,
      eos_token_id: 3,
      pad_token_id: 0,
      torch_dtype: "float32",
    },
    seed,
    files: {
      "tokenizer.json": JSON.stringify(tokenizerJson()),
      "tokenizer_config.json": JSON.stringify(tokenizerConfig(context)),
    },
  });
}

export const lookUp = tool({
  name: "lookup",
  description: "Looks a word up",
  inputSchema: z.object({ word: z.string() }),
  tag: "search_query",
  execute: ({ word }) => `${word.length}`,
});

/** A short prompt keeps the test fast. */
export const tinyTask = defineTask({
  name: "tiny",
  tools: [lookUp],
  callLimit: 2,
  matcher: exactMatcher(),
  prompt: (question) => [{ role: "user", content: question }],
});

export function tinyDemonstrations(count: number): Demonstration[] {
  return Array.from({ length: count }, (_, i) => {
    const word = "ab".repeat(1 + (i % 4));
    return {
      question: { id: `q${i}`, question: `How many of ${word} ${i}`, answers: [`${word.length}`] },
      steps: [{ thought: "", call: { name: "lookup", input: word }, observation: `${word.length}` }],
      answer: `${word.length}`,
    };
  });
}

export async function tinyTrajectories(policy: TrainerPolicy, count: number): Promise<Trajectory[]> {
  const trajectories: Trajectory[] = [];
  for await (const trajectory of demonstrate(tinyDemonstrations(count), {
    policy,
    task: tinyTask,
    maxNewTokens: 64,
  }))
    trajectories.push(trajectory);
  return trajectories;
}

/** Likes actions of an even number of characters: arbitrary, but neither always nor never so. */
export const tinyJudge = new RuleJudge({
  id: "even-length",
  rule: ({ action }) => action.length % 2 === 0,
});
