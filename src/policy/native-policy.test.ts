import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stepView } from "../../tests/support/step-view.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { writePolicyFolder } from "../demo/policy-folder.js";
import { PromptedJudge } from "../judge/prompted-judge.js";
import { readVerdict } from "../judge/reading/read-verdict.js";
import { loadAddon } from "../native/load-addon.js";
import { chooseNatively } from "./native-choice.js";
import { NativePolicy } from "./native-policy.js";
import type { Action, Context } from "./policy.js";
import type { TrainSequence } from "./sequences.js";

/** A tiny model without a tokenizer. */
const golden = join(import.meta.dirname, "../../tests/golden/llama");

let root: string;
let folder: string;
let policy: NativePolicy;
let context: Context;
beforeAll(async () => {
  root = temporaryFolder();
  folder = join(root, "model");
  await writePolicyFolder(folder, 7);
  policy = await NativePolicy.load(folder, { device: "cpu", threads: 1 });
  context = policy.begin([{ role: "user", content: "What is the guild of it?" }]);
});
afterAll(async () => {
  await policy?.dispose();
});

// Only the engine's own matrix products guarantee that a row does not depend on the rest of the batch.
const exact = !loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN");

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

/** Where a safetensors file keeps each tensor's bytes, counted from `begin`. */
function openHeader(file: Buffer) {
  const length = Number(file.readBigUInt64LE(0));
  const tensors = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: number[] }
  >;
  return { begin: 8 + length, tensors };
}

describe("acting", () => {
  it("gives n actions with tokens, text and the log-probs that scoring gives", async () => {
    const actions = await policy.act(context, { n: 3, maxNewTokens: 12, seed: 1 });
    expect(actions).toHaveLength(3);
    const sequences = actions.map((action) => ({
      tokens: [...context.tokens!, ...action.tokens!],
      actionStart: context.tokens!.length,
    }));
    const scored = await policy.logprobs(sequences);
    for (const [i, action] of actions.entries()) {
      expect(action.logprobs).toHaveLength(action.tokens!.length);
      expect(largest(scored[i]!, action.logprobs!)).toBeLessThanOrEqual(1e-5);
      expect(action.text).toBe(
        policy.tokenizer.decode(action.tokens!, { skipSpecial: action.finishReason === "eos" }),
      );
    }
    expect(new Set(actions.map((action) => action.text)).size).toBe(3);
  });

  it("gives the same action for the same seed, alone or among others, and in another engine", async () => {
    const other = policy.begin([{ role: "user", content: "How many pins has it, and who made them?" }]);
    const options = { maxNewTokens: 10, temperature: 0.9, topK: 50, topP: 0.95 };
    const [alone] = await policy.act(context, { ...options, seed: 5 });
    const merged = await Promise.all([
      policy.act(other, { ...options, seed: 5 }),
      policy.act(context, { ...options, seed: 5 }),
      policy.act(context, { ...options, seed: 6 }),
    ]);
    expect(merged[1]![0]!.tokens).toEqual(alone!.tokens);
    expect(merged[2]![0]!.tokens).not.toEqual(alone!.tokens);
    await using second = await NativePolicy.load(folder, { threads: 2 });
    expect(second.id).toBe(policy.id);
    expect((await second.act(context, { ...options, seed: 5 }))[0]!.tokens).toEqual(alone!.tokens);
  });

  it("samples calls of any token limit in one engine call, each as if alone and up to its own limit", async () => {
    await using timed = await NativePolicy.load(folder, { device: "cpu", threads: 1, profile: true });
    const engineCalls = async () =>
      (await timed.profile()).calls.find(({ call }) => call === "generate")?.count ?? 0;
    const states = Array.from({ length: 24 }, (_, i) => {
      const state = timed.begin([{ role: "user", content: `How many pins has number ${i}?` }]);
      // A third of them are near the end of the context, where act lowers the limit by itself.
      const left = i % 3 === 0 ? 2 + i : undefined;
      const fill = left && new Int32Array(timed.contextLength - left).fill(context.tokens![0]!);
      return { state: fill ? { ...state, tokens: fill } : state, left, limit: 1 + ((i * 5) % 30) };
    });
    const act = ({ state, limit }: (typeof states)[number], seed: number) =>
      timed.act(state, { maxNewTokens: limit, temperature: 0.9, seed });
    const merged = await Promise.all(states.map(act));
    expect(await engineCalls()).toBe(1);

    const ends: string[] = [];
    for (const [i, state] of states.entries()) {
      const [action] = merged[i]!;
      const [alone] = await act(state, i);
      expect(action!.tokens).toEqual(alone!.tokens);
      if (exact) expect(action!.logprobs).toEqual(alone!.logprobs);
      const limit = Math.min(state.limit, state.left ?? state.limit);
      expect(action!.tokens!.length).toBeLessThanOrEqual(limit);
      expect(action!.finishReason === "length").toBe(
        action!.tokens!.length === limit && !timed.tokenizer.eosTokens.includes(action!.tokens!.at(-1)!),
      );
      ends.push(action!.finishReason!);
    }
    expect(ends.filter((end) => end === "length").length).toBeGreaterThan(8);
    expect(await engineCalls()).toBe(1 + states.length);
  });

  it.each([0, -3, 2.5, Number.NaN])("refuses a token limit of %s by name", async (maxNewTokens) => {
    for (const call of [
      () => policy.act(context, { maxNewTokens }),
      () => policy.generate([{ tokens: [1] }], { maxNewTokens }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "CONFIG", details: { field: "maxNewTokens" } });
    }
  });

  it("ends at a stop string, which the text keeps, and at the end of turn, which only the tokens keep", async () => {
    const actions = await policy.act(context, { n: 64, maxNewTokens: 40, stop: ["e"], seed: 2 });
    const stopped = actions.filter((action) => action.finishReason === "stop");
    expect(stopped.length).toBeGreaterThan(5);
    for (const { text } of stopped) expect(text.indexOf("e")).toBe(text.length - 1);
    const ended = (await policy.act(context, { n: 64, maxNewTokens: 60, seed: 3 })).filter(
      (a) => a.finishReason === "eos",
    );
    expect(ended.length).toBeGreaterThan(0);
    for (const { text, tokens } of ended) {
      expect(policy.tokenizer.eosTokens).toContain(tokens!.at(-1));
      expect(text).toBe(policy.tokenizer.decode(tokens!.slice(0, -1)));
    }
  });

  it("never goes past the model's context, and refuses to act in a full one", async () => {
    const long = { ...context, tokens: new Int32Array(policy.contextLength - 3).fill(context.tokens![0]!) };
    const [action] = await policy.act(long, { maxNewTokens: 500, seed: 1 });
    expect(action!.tokens!.length).toBeLessThanOrEqual(3);
    const full = { ...context, tokens: new Int32Array(policy.contextLength) };
    await expect(policy.act(full)).rejects.toMatchObject({
      code: "INPUT",
      details: { field: "context.tokens" },
    });
  });

  it("continues a context by the sampled tokens, never by encoding their text again", async () => {
    const [action] = await policy.act(context, { maxNewTokens: 9, seed: 8 });
    const observation = { role: "user", content: "a -> b" } as const;
    const next = policy.extend(context, action!, observation);
    const kept = context.tokens!.length + action!.tokens!.length;
    expect(next.tokens!.slice(0, kept)).toEqual(Int32Array.from([...context.tokens!, ...action!.tokens!]));
    expect(next.tokens!.length).toBeGreaterThan(kept);
    expect(next.messages.slice(-2)).toEqual([{ role: "assistant", content: action!.text }, observation]);

    const stripped = policy.extend(context, action!, observation, "<answer>b</answer>");
    expect(stripped.tokens!.slice(0, context.tokens!.length)).toEqual(context.tokens);
    expect(policy.tokenizer.decode(stripped.tokens!)).toContain("<answer>b</answer>");
    expect(stripped.messages.at(-2)!.content).toBe("<answer>b</answer>");
  });

  it("stops on abort and stays usable", async () => {
    const controller = new AbortController();
    const pending = policy.act(context, { n: 200, maxNewTokens: 150, signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(pending).rejects.toMatchObject({ code: "ABORTED" });
    expect(await policy.act(context, { maxNewTokens: 2 })).toHaveLength(1);
  });

  it("scores choices after the lead as the continuation's own log-probs", async () => {
    const options = { lead: "Verdict:", choices: ["GOOD", "BAD"], maxNewTokens: 6, seed: 4 };
    const { text, logprobs } = await policy.choose(context, options);
    expect(text.endsWith("\nVerdict:")).toBe(true); // an untrained model does not write it, so it is appended
    const before = [...context.tokens!, ...policy.tokenizer.encode(text, { continues: true })];
    for (const [i, choice] of options.choices.entries()) {
      const tokens = [...before, ...policy.tokenizer.encode(` ${choice}`, { continues: true })];
      const [scored] = await policy.logprobs([{ tokens, actionStart: before.length }]);
      expect(logprobs[i]).toBeCloseTo(
        scored!.reduce((a, b) => a + b),
        3,
      );
    }
  });

  it("does not take a place inside a thought for the choice's", async () => {
    const reply = "<think>It says Verdict: GOOD</think>It repeats.\nVerdict: BAD";
    const encode = (text: string) => policy.tokenizer.encode(text, { continues: true });
    const scripted = {
      tokenizer: policy.tokenizer,
      logprobs: policy.logprobs.bind(policy),
      act: async ({ tokens }: Context): Promise<Action[]> => {
        const before = policy.tokenizer.decode(tokens!.slice(context.tokens!.length));
        const rest = reply.slice(before.length);
        const led = rest.indexOf("Verdict:") + "Verdict:".length;
        const text = rest.slice(0, led);
        return [{ text, tokens: encode(text), finishReason: "stop" }];
      },
    };
    const words = ["GOOD", "BAD"] as const;
    const find = (text: string) => {
      const reading = readVerdict({ text, finished: true }, words);
      return reading.status === "read" ? reading.at : undefined;
    };
    const options = { lead: "Verdict:", choices: words, find, maxNewTokens: 300, seed: 1 };
    const choice = await chooseNatively(scripted, context, options);
    expect(choice).toMatchObject({ text: reply.slice(0, -" BAD".length), finished: true });
  });

  it("gives no verdict for a reply that the token limit cut off", async () => {
    const judge = new PromptedJudge({
      policy,
      mode: "logprobs",
      maxNewTokens: 4,
      retries: 0,
      prompt: { id: "short", messages: ({ action }) => [{ role: "user", content: action }] },
    });
    const error = expect.stringMatching(/unfinished.*token limit: maxNewTokens is 4/);
    expect(await judge.judge(stepView())).toEqual({ status: "failed", error });
  });
});

describe("learning", () => {
  const sequence: TrainSequence = { tokens: [5, 9, 31, 17, 40, 8], actionStart: 2, advantage: 1 };
  const batch: TrainSequence[] = [sequence, { ...sequence, tokens: [5, 9, 11, 12], advantage: -1 }];
  const load = (dir = golden, options = {}) =>
    NativePolicy.load(dir, { device: "cpu", threads: 1, ...options });

  it("makes a rewarded action more probable and a punished one less, and names the new weights", async () => {
    await using learner = await load();
    const sum = async () =>
      (await learner.logprobs(batch.map(({ tokens, actionStart }) => ({ tokens, actionStart })))).map((l) =>
        l.reduce((a, b) => a + b),
      );
    const [good, bad] = await sum();
    const { id } = learner;
    const metrics = await learner.update(batch, { optimizer: { lr: 1e-3 } });
    expect(metrics).toMatchObject({ skipped: false, tokens: 10, treeTokens: 8, labels: 6 });
    const [better, worse] = await sum();
    expect(better).toBeGreaterThan(good!);
    expect(worse).toBeLessThan(bad!);
    expect(learner.id).toBe(`${id}+1`);
  });

  it.each([
    ["float32", "float32"],
    ["bfloat16", "float32"],
    ["bfloat16", "compact"],
  ] as const)(
    "resumes bit for bit from save and saveOptimizer (%s, %s state)",
    async (dtype, optimizerState) => {
      const options = { optimizer: { lr: 1e-3, weightDecay: 0.01 } };
      await using through = await load(golden, { dtype, optimizerState });
      await through.update(batch, options);
      const saved = join(root, `resume-${dtype}-${optimizerState}`);
      // Stored in fewer bits than the master weights have, which the optimizer's file must restore.
      await through.save(saved, { dtype: "bfloat16" });
      await through.saveOptimizer(join(saved, "optimizer.safetensors"));
      await through.update(batch, options);

      await using resumed = await load(saved, { dtype, optimizerState });
      await resumed.loadOptimizer(join(saved, "optimizer.safetensors"));
      expect(resumed.optimizerStep()).toBe(1);
      await resumed.update(batch, options);
      for (const { name } of through.parameters()) {
        for (const kind of ["weight", "adam_m", "adam_v"] as const) {
          const [a, b] = await Promise.all([
            through.readParameter(name, kind),
            resumed.readParameter(name, kind),
          ]);
          expect(Buffer.from(a.buffer).equals(Buffer.from(b.buffer)), `${kind} ${name}`).toBe(true);
        }
      }
      expect((await readdir(saved)).filter((name) => name.includes("tmp"))).toEqual([]);
    },
  );

  it("stores compact state as it is held, and refuses it where state is float32, and damaged bytes", async () => {
    const options = { dtype: "bfloat16", optimizerState: "compact" } as const;
    await using compact = await load(golden, options);
    const file = join(root, "compact.safetensors");
    await compact.update(batch);
    await compact.saveOptimizer(file);
    const parameters = compact
      .parameters()
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
    expect((await stat(file)).size / parameters).toBeLessThan(4.2 + 30_000 / parameters); // and the header
    await using float32 = await load(golden, { dtype: "bfloat16" });
    await expect(float32.loadOptimizer(file)).rejects.toMatchObject({
      code: "CHECKPOINT",
      remedy: expect.stringContaining('optimizerState: "compact"'),
    });
    const header = openHeader(await readFile(file));
    for (const [name, byte] of [
      ["adam_m_codes", 0x7f],
      ["adam_v_codes", 0xff],
      ["adam_v_scales", 250],
    ] as const) {
      const bytes = await readFile(file);
      const key = `${name}.model.embed_tokens.weight`;
      bytes[header.begin + header.tensors[key]!.data_offsets[0]! + 5] = byte;
      await writeFile(join(root, "damaged.safetensors"), bytes);
      const before = await compact.readParameter("model.embed_tokens.weight", "adam_m");
      await expect(compact.loadOptimizer(join(root, "damaged.safetensors"))).rejects.toMatchObject({
        code: "CHECKPOINT",
        details: { tensor: key },
      });
      expect(await compact.readParameter("model.embed_tokens.weight", "adam_m")).toEqual(before);
    }
    await expect(load(golden, { dtype: "float32", optimizerState: "compact" })).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringContaining('needs dtype "bfloat16"'),
    });
  });

  it("refuses an optimizer state of another model, of no model, and one that is truncated", async () => {
    await using learner = await load();
    const file = join(root, "state.safetensors");
    await learner.update(batch);
    await learner.saveOptimizer(file);
    await using other = await load(join(golden, "../qwen2"));
    await expect(other.loadOptimizer(file)).rejects.toMatchObject({
      code: "CHECKPOINT",
      details: { file, tensor: expect.any(String) },
    });
    expect(other.optimizerStep()).toBe(0);
    await expect(learner.loadOptimizer(join(golden, "model.safetensors"))).rejects.toThrow(
      /is not optimizer state/,
    );
    await expect(learner.loadOptimizer(join(root, "none"))).rejects.toThrow(/cannot be read/);
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, whole.length - 7));
    await expect(learner.loadOptimizer(file)).rejects.toMatchObject({ code: "CHECKPOINT" });
    await Promise.all([learner.saveOptimizer(file), learner.saveOptimizer(file)]); // each uses its own temporary file
    await learner.loadOptimizer(file);
    await expect(learner.saveOptimizer(join(root, "no/such/folder/x"))).rejects.toMatchObject({
      code: "CHECKPOINT",
    });
  });

  it("an update is applied even if onProgress throws, and the error is reported once", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on("warning", listen);
    await using learner = await load();
    let calls = 0;
    const throwing = () => {
      calls++;
      throw new Error("a broken bar");
    };
    for (const onProgress of [throwing, async () => throwing()]) {
      const step = learner.optimizerStep();
      await learner.update(batch, { onProgress, maxTokensPerMicroBatch: 1 });
      expect(learner.optimizerStep()).toBe(step + 1);
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listen);
    expect(calls).toBe(2);
    expect(warnings.map(({ message }) => message)).toEqual(
      Array(2).fill(expect.stringMatching(/onProgress threw: a broken bar/)),
    );
  });

  it("draws other numbers for neighboring prompts, with the largest seeds as well", async () => {
    await using sampler = await load();
    const prompts = Array.from({ length: 4 }, () => ({ tokens: [5, 6, 7] }));
    const seed = Number.MAX_SAFE_INTEGER - 1;
    const drawn = await sampler.generate(prompts, { seed, maxNewTokens: 12 });
    expect(new Set(drawn.map(([one]) => one!.tokens.join())).size).toBe(4);
  });

  const cases: [string, Partial<TrainSequence> & Record<string, unknown>, object, string, RegExp][] = [
    ["a token past the vocabulary", { tokens: [1, 2, 96] }, {}, "batch[1].tokens", /96/],
    ["a fraction", { tokens: [1, 2.5, 3] }, {}, "batch[1].tokens[1]", /2.5/],
    ["a negative id", { tokens: [1, -2, 3] }, {}, "batch[1].tokens[1]", /-2/],
    ["text", { tokens: "abc" as never }, {}, "batch[1].tokens", /abc/],
    ["no tokens", { tokens: [] }, {}, "batch[1].tokens", /at least one/],
    ["actionStart 0", { actionStart: 0 }, {}, "batch[1].actionStart", /at least 1/],
    ["actionStart at the end", { actionStart: 6 }, {}, "batch[1].actionStart", /empty/],
    ["actionStart past the end", { actionStart: 60 }, {}, "batch[1].actionStart", /60/],
    ["a fractional actionStart", { actionStart: 1.5 }, {}, "batch[1].actionStart", /1.5/],
    ["NaN advantage", { advantage: Number.NaN }, {}, "batch[1].advantage", /NaN/],
    ["a sequence longer than the context", { tokens: new Int32Array(513) }, {}, "batch[1].tokens", /512/],
    ["log-probs of another length", { behaviorLogprobs: [0, 0] }, {}, "batch[1].behaviorLogprobs", /4/],
    ["an unknown key", { reward: 1 }, {}, "batch[1].reward", /unknown/],
    ["ppo-clip without behaviour", {}, { loss: "ppo-clip" }, "batch[0].behaviorLogprobs", /ppo-clip/],
    ["KL without reference", {}, { klWeight: 0.1 }, "batch[0].referenceLogprobs", /klWeight 0.1/],
  ];
  it.each(cases)("names the field of %s, and changes nothing", async (_, part, options, field, message) => {
    await using learner = await load();
    const bad = [sequence, { ...sequence, ...part }] as TrainSequence[];
    const failing = learner.update(bad, options);
    await expect(failing).rejects.toMatchObject({ code: "INPUT", details: { field } });
    await expect(failing).rejects.toThrow(message);
    expect(learner.optimizerStep()).toBe(0);
  });

  it.each([
    [{ learningRate: 1 }, /learningRate: unknown option/],
    [{ optimizer: { learningRate: 1 } }, /optimizer.learningRate: unknown option/],
    [{ optimizer: { beta1: 1 } }, /optimizer.beta1/],
    [{ loss: "dpo" }, /loss/],
    [{ temperature: 0 }, /temperature/],
  ])("refuses the options %o", async (options, message) => {
    await using learner = await load();
    await expect(learner.update(batch, options as object)).rejects.toThrow(message);
  });

  it("has no optimizer when it was loaded without one", async () => {
    await using reference = await load(golden, { trainable: false });
    expect(await reference.logprobs([{ tokens: [1, 2], actionStart: 1 }])).toHaveLength(1);
    await expect(reference.update(batch)).rejects.toMatchObject({
      code: "CONFIG",
      details: { field: "trainable" },
    });
    await expect(reference.saveOptimizer(join(root, "x"))).rejects.toMatchObject({ code: "CONFIG" });
  });
});

describe("a model without a tokenizer", () => {
  it("scores and generates, and says what it lacks for text", async () => {
    await using bare = await NativePolicy.load(golden);
    const prompts = [{ tokens: [1, 2, 3] }, { tokens: Int32Array.of(4) }];
    const completions = await bare.generate(prompts, { n: 2, maxNewTokens: 5, seed: 1, stopTokens: [] });
    expect(completions.map((group) => group.map((c) => c.tokens.length))).toEqual([
      [5, 5],
      [5, 5],
    ]);
    expect(await bare.generate(prompts, { n: 2, maxNewTokens: 5, seed: 1, stopTokens: [] })).toEqual(
      completions,
    );
    expect(() => bare.begin([{ role: "user", content: "x" }])).toThrow(/tokenizer.json is missing/);
    await expect(bare.generate(prompts, { stop: ["x"] })).rejects.toMatchObject({ code: "CHECKPOINT" });
    await expect(bare.generate([{ tokens: [200] }])).rejects.toThrow(/prompts\[0\].tokens/);
  });
});

describe("loading and disposing", () => {
  it.each([
    [{ dtype: "float16" }, /dtype/],
    [{ device: "gpu" }, /must be "auto", "cpu", "cuda"/],
    [{ deivce: "cpu" }, /did you mean device/],
    [{ threads: -1 }, /threads/],
  ])("refuses %o", async (options, message) => {
    await expect(NativePolicy.load(golden, options as object)).rejects.toThrow(message);
  });

  it("rejects calls in flight and later ones with DISPOSED; disposing twice is fine", async () => {
    const short = await NativePolicy.load(folder);
    const begun = short.begin([{ role: "user", content: "Q" }]);
    const pending = short.act(begun, { n: 100, maxNewTokens: 100 });
    const failed = expect(pending).rejects.toMatchObject({ code: "DISPOSED" });
    await new Promise((resolve) => setTimeout(resolve, 15));
    await short.dispose();
    await short.dispose();
    await failed;
    await expect(short.act(begun)).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(short.logprobs([{ tokens: [1, 2], actionStart: 1 }])).rejects.toMatchObject({
      code: "DISPOSED",
    });
  });

  it("stops loading on abort", async () => {
    await expect(NativePolicy.load(golden, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
  });
});
