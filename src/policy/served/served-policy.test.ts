import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Json,
  llamaCppScript,
  sglangScript,
  type Tamper,
  vllmScript,
} from "../../../tests/support/scripted-serving.js";
import { ServingServer } from "../../../tests/support/serving-server.js";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import {
  tinyDemonstrations,
  tinyJudge,
  tinyTask,
  tinyTrajectories,
  writeTinyModel,
} from "../../../tests/support/tiny-world.js";
import {
  decompose,
  NativePolicy,
  Policy,
  type ServedOptions,
  type ServedPolicy,
  SwirlError,
  sft,
  synthesize,
  type Trajectory,
  train,
} from "../../index.js";

const SCRIPTS = { vllm: vllmScript, sglang: sglangScript, "llama.cpp": llamaCppScript };
type Api = keyof typeof SCRIPTS;
const APIS = Object.keys(SCRIPTS) as Api[];

let model: string;
let native: NativePolicy;
beforeAll(async () => {
  model = join(temporaryFolder(), "model");
  await writeTinyModel(model);
  native = await NativePolicy.load(model, { device: "cpu", threads: 1, trainable: true });
  await sft({
    policy: native,
    trajectories: await tinyTrajectories(native, 16),
    steps: 40,
    batchSize: 16,
    lr: 1e-2,
  });
}, 60_000);
afterAll(async () => native?.dispose());

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function served(
  api: Api,
  options: Partial<ServedOptions> & { tamper?: Tamper; of?: NativePolicy } = {},
): Promise<{ policy: ServedPolicy; server: ServingServer; notes: string[] }> {
  const { tamper, of = native, ...rest } = options;
  const server = await ServingServer.start(SCRIPTS[api](of, tamper));
  open.push(server);
  const notes: string[] = [];
  const policy = await Policy.connect({
    servers: [server.url],
    api,
    tokenizer: model,
    ...(api === "vllm" ? { model: "tiny" } : {}),
    maxRetries: 1,
    retryBaseMs: 1,
    probe: false,
    onNote: (note) => notes.push(note),
    ...rest,
  });
  open.push(policy);
  return { policy, server, notes };
}

const ask = [{ role: "user", content: "How many of abab 1" }] as const;
const longest = (values: Float32Array, others: Float32Array) =>
  Math.max(...Array.from(values, (value, t) => Math.abs(value - others[t]!)));

describe.each(APIS)("a policy served by %s", (api) => {
  it("acts as the native one does, token for token, with stop strings kept", async () => {
    const { policy, server } = await served(api);
    const stop = ["</search_query>", "</answer>"];
    const options = { temperature: 0, stop, maxNewTokens: 40 };
    const [here] = await native.act(native.begin(ask), options);
    const [there] = await policy.act(policy.begin(ask), options);
    expect(there).toMatchObject({ text: here!.text, tokens: here!.tokens, finishReason: here!.finishReason });
    expect(longest(there!.logprobs!, here!.logprobs!)).toBeLessThan(1e-5);
    const observation = { role: "user", content: "4" } as const;
    expect(policy.extend(policy.begin(ask), there!, observation).tokens).toEqual(
      native.extend(native.begin(ask), here!, observation).tokens,
    );
    const { body } = server.arrivals.find(({ method }) => method === "POST")!;
    expect(body.prompt ?? body.input_ids).toEqual([...native.begin(ask).tokens!]);
  });

  it("gives trajectories whose states and log-probs are the native policy's, and which can be trained on", async () => {
    const { policy, server } = await served(api);
    const questions = tinyDemonstrations(4).map(({ question }) => question);
    const trajectories: Trajectory[] = [];
    for await (const one of synthesize(questions, {
      policy,
      task: tinyTask,
      samples: 3,
      maxNewTokens: 24,
      seed: 3,
    }))
      trajectories.push(one);
    expect(trajectories.filter(({ end }) => end === "failed")).toEqual([]);
    const steps = trajectories.flatMap((one) => decompose(one));
    expect(steps.length).toBeGreaterThan(trajectories.length);
    const scored = await native.logprobs(
      steps.map(({ state, action }) => ({ tokens: [...state, ...action], actionStart: state.length })),
    );
    for (const [i, { logprobs }] of steps.entries()) expect(longest(logprobs, scored[i]!)).toBeLessThan(1e-4);
    expect(policy.stats).toMatchObject({ failures: 0, unreadable: {} });
    const forced = server.arrivals.filter(({ body }) => body.logit_bias !== undefined);
    expect(forced.length > 0).toBe(api === "llama.cpp"); // log-probs that it leaves out are asked for
    expect(policy.stats.tokens).toBe(steps.reduce((sum, { action }) => sum + action.length, 0));
    await using trained = await NativePolicy.load(model, { device: "cpu", threads: 1, trainable: true });
    const {
      steps: updates,
      skippedUpdates,
      last,
    } = await train({
      policy: trained,
      trajectories,
      actions: "logged",
      judge: tinyJudge,
      correction: {},
      steps: 1,
      lr: 1e-3,
    });
    expect(updates).toBe(1);
    expect(skippedUpdates).toBe(0);
    expect(last!["sampling/sampling_logp_difference/mean"]).toBeGreaterThan(0); // it was not taught
    expect(last!["sampling/corrected_away"]).toBeLessThanOrEqual(1);
  });

  it("samples at other temperatures where the server reports the log-probs of that distribution", async () => {
    const { policy } = await served(api);
    const act = policy.act(policy.begin(ask), { temperature: 0.5, maxNewTokens: 6, seed: 1 });
    if (api === "vllm") return await expect(act).rejects.toThrow(/processed_logprobs/);
    const [action] = await act;
    const state = policy.begin(ask).tokens!;
    const sequence = { tokens: [...state, ...action!.tokens!], actionStart: state.length };
    const [scored] = await native.logprobs([sequence], { temperature: 0.5 });
    expect(longest(action!.logprobs!, scored!)).toBeLessThan(1e-4);
  });

  it("compares its log-probs with a reference at the start", async () => {
    const { policy, notes } = await served(api, { probe: { reference: native, tokens: 32 } });
    const [probe] = policy.probes.values();
    expect(probe!.max).toBeLessThan(1e-4);
    expect(probe!.tokens).toBeGreaterThan(0);
    expect(notes.join()).toMatch(/differ from .* nats in the mean/);
  });
});

it("asks llama.cpp for the log-probs of tokens that end inside a character", async () => {
  const raw = join(temporaryFolder(), "raw");
  await writeTinyModel(raw, { seed: 5 }); // untrained: bytes at random
  await using of = await NativePolicy.load(raw, { device: "cpu", threads: 1 });
  const { policy, server } = await served("llama.cpp", { of });
  const actions = await policy.act(policy.begin(ask), { n: 4, maxNewTokens: 24, seed: 7 });
  expect(server.arrivals.some(({ body }) => Number(body.n_probs) > 1)).toBe(true);
  const state = policy.begin(ask).tokens!;
  const scored = await of.logprobs(
    actions.map(({ tokens }) => ({ tokens: [...state, ...tokens!], actionStart: state.length })),
  );
  for (const [i, { logprobs }] of actions.entries())
    expect(longest(logprobs!, scored[i]!)).toBeLessThan(1e-4);
  const warm = policy.act(policy.begin(ask), { n: 4, maxNewTokens: 24, seed: 7, temperature: 0.9 });
  await expect(warm).rejects.toMatchObject({ details: { unreadable: "count" } });
  // Asking again would give the same reply, and the server is not to blame.
  expect(policy.stats.retries).toBe(0);
  expect(policy.servers[0]).toMatchObject({ state: "up", faults: 0 });
});

/** A change of the reply, the reason it is counted under, and what the error says. */
type Fault = [name: string, tamper: Tamper, reason: string];
const choice =
  (change: (choice: Json) => void): Tamper =>
  (reply) => {
    change(reply.choices[0]);
    return reply;
  };
const meta =
  (change: (meta: Json) => void): Tamper =>
  (reply) => {
    change(reply.meta_info);
    return reply;
  };
const set =
  (name: string, value: unknown): Tamper =>
  (reply) => ({ ...reply, [name]: value });

const FAULTS: Record<Api, Fault[]> = {
  vllm: [
    ["no ids", choice((c) => delete c.token_ids), "no token ids"],
    ["one id too many", choice((c) => c.token_ids.push(5)), "count"],
    ["an id outside the vocabulary", choice((c) => (c.token_ids[0] = 99_999)), "outside vocabulary"],
    ["a fractional id", choice((c) => (c.token_ids[0] = 1.5)), "outside vocabulary"],
    ["no log-probs", choice((c) => (c.logprobs = null)), "no log-probs"],
    ["a null log-prob", choice((c) => (c.logprobs.token_logprobs[0] = null)), "log-prob"],
    ["NaN as text", choice((c) => (c.logprobs.token_logprobs[0] = "NaN")), "log-prob"],
    ["a log-prob above 0", choice((c) => (c.logprobs.token_logprobs[0] = 0.5)), "log-prob"],
    ["the log-prob of probability 0", choice((c) => (c.logprobs.token_logprobs[0] = -9999)), "log-prob"],
    ["an unknown finish reason", choice((c) => (c.finish_reason = "abort")), "finish reason"],
    ["no finish reason", choice((c) => (c.finish_reason = null)), "finish reason"],
    ["another prompt", choice((c) => (c.prompt_token_ids = [1, ...c.prompt_token_ids])), "other prompt"],
    ["a longer prompt", set("usage", { prompt_tokens: 999 }), "other prompt"],
    [
      "an end that nothing explains",
      choice((c) => {
        c.finish_reason = "stop";
        c.token_ids = [5];
        c.logprobs.token_logprobs = [-1];
      }),
      "unexplained end",
    ],
    ["no choices", set("choices", []), "no choice"],
  ],
  sglang: [
    ["no pairs", meta((m) => delete m.output_token_logprobs), "no log-probs"],
    ["a pair of one", meta((m) => (m.output_token_logprobs[0] = [-1])), "no log-probs"],
    ["another count", meta((m) => m.completion_tokens++), "count"],
    ["an abort", meta((m) => (m.finish_reason = { type: "abort", message: "aborted" })), "finish reason"],
    ["a null log-prob", meta((m) => (m.output_token_logprobs[0][0] = null)), "log-prob"],
    ["a negative id", meta((m) => (m.output_token_logprobs[0][1] = -1)), "outside vocabulary"],
    ["another prompt", meta((m) => m.prompt_tokens++), "other prompt"],
    ["no meta_info", set("meta_info", undefined), "no meta_info"],
  ],
  "llama.cpp": [
    ["no tokens", set("tokens", []), "no token ids"],
    ["no probabilities", set("completion_probabilities", undefined), "no log-probs"],
    ["another stop type", set("stop_type", "none"), "finish reason"],
    ["another prompt", set("tokens_evaluated", 1), "other prompt"],
    [
      "the log-prob of probability 0",
      (r) =>
        set(
          "completion_probabilities",
          r.completion_probabilities.map((p: object) => ({ ...p, logprob: -3.4e38 })),
        )(r, undefined!),
      "log-prob",
    ],
    [
      "a log-prob of another token",
      (r) =>
        set(
          "completion_probabilities",
          r.completion_probabilities.map((p: object) => ({ ...p, id: 0 })),
        )(r, undefined!),
      "count",
    ],
    [
      "one log-prob too few at the limit",
      (r) => set("completion_probabilities", r.completion_probabilities.slice(1))(r, undefined!),
      "count",
    ],
  ],
};

describe.each(APIS)("what cannot be read for certain of %s", (api) => {
  it.each(FAULTS[api])("%s is a failure, counted by its reason", async (_, tamper, reason) => {
    const { policy } = await served(api, { tamper });
    const failed = policy.act(policy.begin(ask), { temperature: 0, maxNewTokens: 3 });
    await expect(failed).rejects.toMatchObject({ code: "ENDPOINT", details: { unreadable: reason } });
    expect(policy.stats).toMatchObject({ calls: 1, attempts: 2, failures: 1, unreadable: { [reason]: 2 } });
  });
});

describe("the comparison at the start", () => {
  const refused = async (options: Parameters<typeof served>[1]) => {
    const error = await served("vllm", { probe: { reference: native, tokens: 48 }, ...options }).catch(
      (e) => e,
    );
    expect(SwirlError.isInstance(error), String(error)).toBe(true);
    return error as SwirlError;
  };

  it("refuses log-probs that are shifted by one, and says so", async () => {
    const tamper = choice((c) => c.logprobs.token_logprobs.unshift(c.logprobs.token_logprobs.pop()));
    const error = await refused({ tamper });
    expect(error.code).toBe("CONFIG");
    expect(error.message).toMatch(/nats in the mean \(limit 0.05\)[\s\S]*shifted by one token/);
  });

  it("knows a server that answers with the base model of the adapter", async () => {
    await using adapted = await NativePolicy.load(model, { device: "cpu", threads: 1, lora: { rank: 2 } });
    const name = adapted.parameters().find((one) => /lora_B/.test(one.name))!.name;
    const values = await adapted.readParameter(name);
    await adapted.writeParameter(
      name,
      values.map((_, i) => 4 * ((i % 3) - 1)),
    );
    await using base = await NativePolicy.load(model, { device: "cpu", threads: 1 });
    const error = await refused({ of: base, probe: { reference: adapted, tokens: 48 } });
    expect(error.message).toMatch(/answers with the base model/);
  });

  it("refuses other weights, and a server whose replies cannot be read", async () => {
    const other = join(temporaryFolder(), "other");
    await writeTinyModel(other, { seed: 2 });
    await using of = await NativePolicy.load(other, { device: "cpu", threads: 1 });
    expect((await refused({ of })).message).toMatch(/other weights/);
    const error = await served("vllm", { probe: {}, tamper: set("choices", null) }).catch((e) => e);
    expect(error).toMatchObject({ code: "ENDPOINT" });
  });
});

it("refuses options that do not go together", async () => {
  const connect = (options: object) =>
    Policy.connect({
      servers: ["http://127.0.0.1:1"],
      tokenizer: model,
      ...options,
    } as unknown as ServedOptions);
  await expect(connect({ api: "vllm" })).rejects.toMatchObject({
    code: "CONFIG",
    details: { field: "model" },
  });
  await expect(connect({ api: "llama.cpp", model: "x" })).rejects.toMatchObject({ code: "CONFIG" });
  await expect(connect({ api: "ollama" })).rejects.toMatchObject({
    code: "CONFIG",
    details: { field: "api" },
  });
  await expect(connect({ api: "sglang", servers: [] })).rejects.toMatchObject({ code: "CONFIG" });
  await expect(connect({ api: "sglang", tokenizer: temporaryFolder() })).rejects.toMatchObject({
    code: "CHECKPOINT",
  });
});
