/**
 * Token-exact rollouts from a real llama-server, trained on by the native engine. Skipped without one:
 *
 *   python convert_hf_to_gguf.py MODEL_FOLDER --outtype f32 --outfile model.gguf
 *   llama-server --model model.gguf --ctx-size 4096 --parallel 2 --port 8080
 *   SWIRL_SERVING=http://127.0.0.1:8080 SWIRL_SERVING_MODEL=MODEL_FOLDER npx vitest run tests/e2e/serving-live
 *
 * SWIRL_SERVING_API names another kind of server; vLLM's model is SWIRL_SERVING_NAME.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  calculator,
  calculatorTask,
  decompose,
  NativePolicy,
  Policy,
  RuleJudge,
  type ServedOptions,
  type ServedPolicy,
  synthesize,
  type Trajectory,
  train,
} from "../../src/index.js";

const url = process.env.SWIRL_SERVING;
const model = process.env.SWIRL_SERVING_MODEL ?? "";
const api = (process.env.SWIRL_SERVING_API ?? "llama.cpp") as ServedOptions["api"];

/** Nats. 0.043 was seen of llama-server in float32 with its defaults; without flash attention 0.0002. */
const LIMIT = 0.1;

describe.skipIf(url === undefined)(`rollouts served by ${api}`, { timeout: 600_000 }, () => {
  let native: NativePolicy;
  let policy: ServedPolicy;
  const notes: string[] = [];

  beforeAll(async () => {
    native = await NativePolicy.load(model, { device: "cpu", threads: 1, trainable: true, dtype: "float32" });
    policy = await Policy.connect({
      servers: [url!],
      api,
      tokenizer: model,
      ...(process.env.SWIRL_SERVING_NAME ? { model: process.env.SWIRL_SERVING_NAME } : {}),
      concurrency: 2,
      probe: { reference: native },
      onNote: (note) => notes.push(note),
    });
  }, 600_000);
  afterAll(async () => {
    await policy?.dispose();
    await native?.dispose();
  });

  const compare = async (
    rows: { state: Int32Array; action: Int32Array; logprobs: Float32Array }[],
    temperature = 1,
  ) => {
    const scored = await native.logprobs(
      rows.map(({ state, action }) => ({ tokens: [...state, ...action], actionStart: state.length })),
      { temperature },
    );
    const differences = rows.flatMap(({ logprobs }, i) =>
      Array.from(logprobs, (logprob, t) => Math.abs(logprob - scored[i]![t]!)),
    );
    const mean = differences.reduce((a, b) => a + b, 0) / differences.length;
    return { tokens: differences.length, mean, max: Math.max(...differences) };
  };

  it("passes the probe", () => {
    console.log(notes.join("\n"));
    expect(policy.probes.size).toBe(1);
  });

  it("gives greedily what the native engine gives", async () => {
    const ask = [{ role: "user", content: "What is the capital of France?" }] as const;
    const options = { temperature: 0, maxNewTokens: 24 };
    const [here] = await native.act(native.begin(ask), options);
    const [there] = await policy.act(policy.begin(ask), options);
    console.log(`greedy: native ${JSON.stringify(here!.text)}, server ${JSON.stringify(there!.text)}`);
    expect(there!.tokens).toEqual(here!.tokens);
    expect(there!.finishReason).toBe(here!.finishReason);
  });

  it("reports log-probs at another temperature, at stop strings and inside characters", async () => {
    const stories = policy.begin([
      { role: "user", content: "Write a sentence in Chinese with three emoji." },
    ]);
    const state = stories.tokens!;
    const rowsOf = (actions: { tokens?: Int32Array; logprobs?: Float32Array }[]) =>
      actions.map(({ tokens, logprobs }) => ({ state, action: tokens!, logprobs: logprobs! }));
    const warm = await policy.act(stories, {
      n: 4,
      temperature: 1,
      maxNewTokens: 32,
      stop: [" and", "a food"],
      seed: 1,
    });
    console.log(
      "stop strings and characters",
      warm.map(({ text, finishReason }) => [text, finishReason]),
      await compare(rowsOf(warm)),
    );
    expect((await compare(rowsOf(warm))).max).toBeLessThan(LIMIT);
    const plain = policy.begin([{ role: "user", content: "Count to ten." }]);
    const stop = ["four", "4", "d "];
    const stopped = await policy.act(plain, { n: 4, maxNewTokens: 24, stop, seed: 2 });
    const stoppedRows = stopped.map(({ tokens, logprobs }) => ({
      state: plain.tokens!,
      action: tokens!,
      logprobs: logprobs!,
    }));
    console.log(
      "stop strings",
      stopped.map(({ text, finishReason }) => [text, finishReason]),
      await compare(stoppedRows),
    );
    expect(stopped.some(({ finishReason }) => finishReason === "stop")).toBe(true);
    expect((await compare(stoppedRows)).max).toBeLessThan(LIMIT);
    const cool = await policy
      .act(plain, { n: 2, temperature: 0.7, topK: 0, maxNewTokens: 16, seed: 1 })
      .catch((e) => e);
    if (cool instanceof Error) return console.log(cool.message); // a token inside a character: a counted failure
    const rows = cool.map(({ tokens, logprobs }: (typeof warm)[number]) => ({
      state: plain.tokens!,
      action: tokens!,
      logprobs: logprobs!,
    }));
    const found = await compare(rows, 0.7);
    console.log("temperature 0.7", found);
    expect(found.max).toBeLessThan(LIMIT);
  });

  it("rolls out trajectories that the native engine trains on", async () => {
    const questions = [3, 5, 7, 11].map((n) => ({
      id: `q${n}`,
      question: `What is ${n} + ${2 * n}?`,
      answers: [`${3 * n}`],
    }));
    const trajectories: Trajectory[] = [];
    const task = calculatorTask(calculator());
    const started = performance.now();
    for await (const one of synthesize(questions, { policy, task, samples: 2, maxNewTokens: 64, seed: 1 }))
      trajectories.push(one);
    const seconds = (performance.now() - started) / 1000;
    const steps = trajectories.flatMap((one) => decompose(one));
    const found = await compare(steps);
    console.log(
      `${trajectories.length} trajectories, ${steps.length} actions in ${seconds.toFixed(1)} s`,
      trajectories.map(({ end }) => end),
      found,
      policy.stats,
      policy.servers,
    );
    expect(trajectories.filter(({ end }) => end === "failed")).toEqual([]);
    expect(found.max).toBeLessThan(LIMIT);
    const { last, skippedUpdates } = await train({
      policy: native,
      trajectories,
      actions: "logged",
      judge: new RuleJudge({ id: "short", rule: ({ action }) => action.length < 150 }),
      correction: {},
      steps: 1,
      batchSize: 4,
      lr: 1e-6,
    });
    console.log(last);
    expect(skippedUpdates).toBe(0);
    expect(last!["sampling/sampling_logp_difference/max"]).toBeLessThan(LIMIT);
    expect(last!["sampling/corrected_away"]).toBe(0);
  });
});
