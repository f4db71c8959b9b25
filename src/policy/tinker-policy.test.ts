/** A policy on a trainer, against a server that trains a real table of logits; what machines and networks do wrong is scripted. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { type Fault, TinkerServer, type TinkerServerOptions } from "../../tests/support/tinker-server.js";
import { writeTinyModel } from "../../tests/support/tiny-world.js";
import { VOCABULARY } from "../demo/tokenizer.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { LossName } from "../losses/named-losses.js";
import { Policy } from "./index.js";
import { lossDerivative } from "./loss-derivative.js";
import { resolveLoss } from "./resolve-loss.js";
import { type TrainSequence, toTrainSequences } from "./sequences.js";
import type { TinkerOptions } from "./tinker-options.js";

let tokenizer: string;
beforeAll(async () => {
  tokenizer = join(temporaryFolder(), "model");
  await writeTinyModel(tokenizer);
});

const vocab = VOCABULARY.length;
const quick = {
  retryBaseMs: 1,
  retryMaxMs: 4,
  timeoutMs: 2_000,
  deadlineMs: 20_000,
  heartbeatMs: 1e6,
} as const;
/** Facts of a server of the sum reduction, for tests that are about something else. */
const known = { reduction: { kind: "sum", scope: "step" }, clipsGradients: true } as const;

async function connected(server: Partial<TinkerServerOptions> = {}, options: Partial<TinkerOptions> = {}) {
  const tinker = await TinkerServer.start({ vocab, ...server });
  const policy = await Policy.connect({
    ...{ trainer: "tinker", baseURL: tinker.baseURL, baseModel: "bigram", lora: { rank: 4 }, tokenizer },
    ...quick,
    largestBeta2: 0.999,
    ...options,
  } as TinkerOptions).catch(async (error) => {
    await tinker[Symbol.asyncDispose]();
    throw error;
  });
  return {
    server: tinker,
    policy,
    /** The model that is trained: the one the probe used is gone. */
    model: () => [...tinker.models.values()].at(-1)!,
    [Symbol.asyncDispose]: async () => {
      await policy.dispose();
      await tinker[Symbol.asyncDispose]();
    },
  };
}

const sequence = (
  tokens: number[],
  actionStart: number,
  rest: Partial<TrainSequence> = {},
): TrainSequence => ({
  tokens,
  actionStart,
  advantage: 1,
  ...rest,
});

/** Of different lengths, one of them twice as long as the others together, one whose advantage is negative. */
function batch(): TrainSequence[] {
  const logs = (n: number, x: number) => Float32Array.from({ length: n }, (_, t) => x - 0.1 * t);
  return [
    sequence([5, 6, 7, 8], 2, {
      advantage: 0.5,
      behaviorLogprobs: logs(2, -6),
      referenceLogprobs: logs(2, -5.5),
    }),
    sequence([9, 10, 11, 12, 13], 1, {
      advantage: [-1, 0.25, 2, -0.5],
      weights: [1, 0, 0.5, 1],
      behaviorLogprobs: logs(4, -5.8),
      referenceLogprobs: logs(4, -6),
    }),
    sequence(
      Array.from({ length: 24 }, (_, i) => 20 + i),
      4,
      { advantage: -0.75, behaviorLogprobs: logs(20, -6.1), referenceLogprobs: logs(20, -5.9) },
    ),
  ];
}

function close(a: ArrayLike<number>, b: ArrayLike<number>, relative: number): void {
  let [squares, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    squares += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  expect(size).toBeGreaterThan(0);
  expect(Math.sqrt(squares / size)).toBeLessThan(relative);
}

const same = (a: Float64Array, b: Float64Array) => a.every((x, i) => x === b[i]);

/** The gradient of the batch's loss by the server's table, from the derivative by log-probs and nothing of the wire. */
function gradient(
  server: TinkerServer,
  table: Float64Array,
  sequences: TrainSequence[],
  options: object,
): Float64Array {
  const loss = resolveLoss({ ...defaults, ...options });
  const checked = toTrainSequences(sequences, loss.native);
  const logprobs = checked.map(({ tokens, actionStart }) =>
    Float32Array.from(
      server.logprobs({ table }, [...tokens].slice(0, -1), [...tokens].slice(1)).slice(actionStart - 1),
    ),
  );
  const { derivatives } = lossDerivative(checked, loss, logprobs);
  const out = new Float64Array(vocab * vocab);
  for (const [i, { tokens, actionStart }] of checked.entries())
    for (const [t, slope] of derivatives[i]!.entries()) {
      const last = tokens[actionStart + t - 1]!;
      for (const [k, p] of server.distribution(table, last).entries())
        out[last * vocab + k]! += slope * ((k === tokens[actionStart + t]! ? 1 : 0) - p);
    }
  return out;
}
const defaults = {
  loss: "reinforce" as const,
  klWeight: 0,
  klEstimator: "k3" as const,
  entropyWeight: 0,
  temperature: 1,
  tree: true,
  maxTokensPerMicroBatch: 0,
};

async function failure(call: Promise<unknown>): Promise<SwirlError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!SwirlError.isInstance(error)) throw new Error(`no SwirlError: ${error}`);
  return error;
}

describe("the reduction probe", () => {
  it.each([
    ["sum", "step"],
    ["datum-mean", "step"],
    ["datum-mean", "call"],
    ["token-means", "step"],
    ["mean-of-means", "step"],
    ["mean-of-means", "call"],
    ["token-mean", "step"],
    ["token-mean", "call"],
  ] as const)("finds %s per %s, and gradients come out the same", async (reduction, scope) => {
    await using t = await connected({ reduction, scope });
    expect(t.policy.reduction).toEqual({ kind: reduction, scope });
    expect(t.policy.clipsGradients).toBe(true);
    const options = { loss: "grpo", klWeight: 0.1 };
    const wanted = gradient(t.server, t.model().table, batch(), options);
    await t.policy.update(batch(), { ...options, loss: "grpo", optimizer: { lr: 1e-3 } });
    close(t.server.lastGradient!, wanted, 1e-5);
  });

  it("refuses a reduction that it does not know, a server without a gradient norm, and notes a server that does not clip", async () => {
    const unknown = await failure(connected({ reduction: "squared" }));
    expect(unknown).toMatchObject({ code: "CONFIG", details: { field: "reduction" } });
    expect(unknown.message).toContain("no reduction explains");
    expect((await failure(connected({ reportsNorm: false }))).message).toContain("no gradient norm");
    await using t = await connected({ clips: false });
    expect(t.policy.clipsGradients).toBe(false);
    const refused = await failure(t.policy.update(batch(), { loss: "grpo" }));
    expect(refused).toMatchObject({ code: "CONFIG", details: { field: "maxGradNorm" } });
    await t.policy.update(batch(), { loss: "grpo", optimizer: { maxGradNorm: 0 } });
  });

  it("refuses the β₂ at which servers with bfloat16 constants write NaN, before anything is sent", async () => {
    await using t = await connected({ narrowAdam: true }, { ...known, largestBeta2: 0.99 });
    const refused = await failure(t.policy.update(batch(), { loss: "grpo" }));
    expect(refused).toMatchObject({ code: "CONFIG", details: { field: "beta2" } });
    expect(t.server.count("optim_step")).toBe(0);
    await t.policy.update(batch(), { loss: "grpo", optimizer: { beta2: 0.95 } });
    expect(t.model().steps).toBe(1);
  });

  it("frees its model, so that a server with room for one can be used", async () => {
    await using t = await connected();
    expect(t.server.models.size).toBe(1);
    expect(t.server.count("create_model")).toBe(2);
    await t.policy.dispose();
    expect(t.server.models.size).toBe(0);
    expect(
      await failure(t.policy.logprobs(batch().map(({ tokens, actionStart }) => ({ tokens, actionStart })))),
    ).toMatchObject({
      code: "DISPOSED",
    });
  });
});

describe("updates", () => {
  it.each<LossName>([
    "reinforce",
    "ppo-clip",
    "grpo",
    "dr_grpo",
    "dapo",
    "gspo",
    "gspo_token",
    "cispo",
    "sapo",
    "dppo_tv",
    "dppo_kl",
  ])("%s: the server's gradient is that of the loss", async (loss) => {
    await using t = await connected(
      { reduction: "mean-of-means" },
      { reduction: { kind: "mean-of-means", scope: "step" } },
    );
    const options = { loss, klWeight: 0.05, ...(loss === "dr_grpo" ? { fixedLength: 30 } : {}) };
    const wanted = gradient(t.server, t.model().table, batch(), options);
    await t.policy.update(batch(), { ...options, optimizer: { lr: 1e-3, maxGradNorm: 0 } });
    close(t.server.lastGradient!, wanted, 1e-5);
  });

  it("REINFORCE goes as cross_entropy in one pass where that is the same", async () => {
    await using t = await connected();
    const before = t.server.count("forward");
    const wanted = gradient(t.server, t.model().table, batch(), {
      loss: "reinforce",
      aggregation: "token-mean",
    });
    const logprobs = await t.policy.logprobs(
      batch().map(({ tokens, actionStart }) => ({ tokens, actionStart })),
    );
    const metrics = await t.policy.update(batch(), { aggregation: "token-mean", optimizer: { lr: 1e-3 } });
    close(t.server.lastGradient!, wanted, 1e-5);
    expect(t.server.count("forward") - before).toBe(1); // that of logprobs
    const plain = toTrainSequences(batch(), { loss: "reinforce", klWeight: 0 });
    const { loss } = lossDerivative(plain, resolveLoss({ ...defaults, aggregation: "token-mean" }), logprobs);
    expect(metrics.loss).toBeCloseTo(loss, 5);
    expect(metrics.gradNorm).toBeGreaterThan(0);
  });

  it("forwardBackward twice and optimStep are one step on the sum; zeroGradients drops", async () => {
    await using t = await connected(
      { reduction: "datum-mean" },
      { reduction: { kind: "datum-mean", scope: "step" }, clipsGradients: true },
    );
    const [first, second, third] = batch();
    const options = { loss: "ppo-clip", denominators: { sequences: 3 } } as const;
    const wanted = gradient(t.server, t.model().table, batch(), { loss: "ppo-clip" });
    await t.policy.forwardBackward([third!], options);
    await t.policy.zeroGradients();
    await t.policy.forwardBackward([first!, second!], options);
    await t.policy.forwardBackward([third!], options);
    await t.policy.optimStep({ lr: 1e-3 });
    close(t.server.lastGradient!, wanted, 1e-5);
    expect(await failure(t.policy.optimStep())).toMatchObject({ code: "INPUT" });
    expect(t.policy.id).toMatch(/\+1$/);
  });

  it("a loss that is not finite changes nothing and says so", async () => {
    await using t = await connected({}, known);
    const steps = t.server.count("optim_step");
    const metrics = await t.policy.update([batch()[0]!], {
      loss: ({ logprobs }) => ({ value: 1e308, derivative: new Float64Array(logprobs.length).fill(1e308) }),
      denominators: { sequences: 1e-37 },
    });
    expect(metrics).toMatchObject({ skipped: true });
    expect(metrics.skipReason).toContain("the loss is Infinity");
    expect(t.server.count("optim_step")).toBe(steps);
  });

  it("refuses what derivatives by log-probs or the server cannot express", async () => {
    await using t = await connected({}, known);
    for (const [options, field] of [
      [{ temperature: 0.7 }, "temperature"],
      [{ entropyWeight: 0.1 }, "entropyWeight"],
      [{ optimizer: { freeze: ["*"] } }, "freeze"],
      [{ optimizer: { decay: "matrices" } }, "decay"],
    ] as const)
      expect(await failure(t.policy.update(batch(), options))).toMatchObject({
        code: "CONFIG",
        details: { field },
      });
    const long = sequence(new Array(300).fill(5), 2);
    expect(await failure(t.policy.update([long]))).toMatchObject({ details: { field: "batch[0].tokens" } });
  });
});

describe("sampling", () => {
  it("samples from the newest weights, with the log-probs of the trainer, and the same seed gives the same", async () => {
    await using t = await connected({ samplingLoadsSnapshot: true }, known);
    const context = t.policy.begin([{ role: "user", content: "What is 3 + 4?" }]);
    const options = { n: 3, maxNewTokens: 6, seed: 4 };
    const actions = await t.policy.act(context, options);
    expect(actions.map(({ tokens }) => [...tokens!])).toEqual(
      (await t.policy.act(context, options)).map(({ tokens }) => [...tokens!]),
    );
    expect(t.server.count("save_weights_for_sampler")).toBe(1);
    const sequences = actions.map(({ tokens, logprobs }, i) => ({
      tokens: [...context.tokens!, ...tokens!],
      actionStart: context.tokens!.length,
      advantage: i - 1.2,
      behaviorLogprobs: logprobs!,
    }));
    const before = await t.policy.logprobs(
      sequences.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
    );
    for (const [i, { logprobs }] of actions.entries()) close(logprobs!, before[i]!, 1e-6);
    await t.policy.update(sequences, { loss: "grpo", optimizer: { lr: 0.05 } });
    expect(t.policy.stats.mismatch.tokens).toBeGreaterThan(0);
    expect(t.policy.stats.mismatch.max).toBeLessThan(1e-5);
    const trained = t.model().table.slice();
    await t.policy.act(context, options);
    expect(t.server.count("save_weights_for_sampler")).toBe(2);
    expect(same(t.model().table, trained)).toBe(true); // sampling rolled nothing back
    const after = await t.policy.logprobs(
      sequences.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
    );
    const total = (all: Float32Array[], i: number) => all[i]!.reduce((sum, x) => sum + x, 0);
    expect(total(after, 2)).toBeGreaterThan(total(before, 2)); // advantage 0.8
    expect(total(after, 0)).toBeLessThan(total(before, 0)); // advantage -1.2
  });

  it("an update waits for the actions that are being sampled", async () => {
    await using t = await connected({ workMs: 40, samplingLoadsSnapshot: true }, known);
    const context = t.policy.begin([{ role: "user", content: "Hi" }]);
    const acting = t.policy.act(context, { n: 2, maxNewTokens: 4, seed: 1 });
    const updating = t.policy.update(batch(), { loss: "grpo", optimizer: { lr: 0.1 } });
    await Promise.all([acting, updating]);
    const order = t.server.calls
      .map(({ call }) => call)
      .filter((call) => ["asample", "optim_step"].includes(call));
    expect(order.slice(-2)).toEqual(["asample", "optim_step"]);
  });

  it("cuts at the token that ends the turn or completes a stop string, and refuses a sample that hides it", async () => {
    await using t = await connected({}, known);
    const context = t.policy.begin([{ role: "user", content: "Hi" }]);
    const free = await t.policy.act(context, { n: 8, maxNewTokens: 40, seed: 9 });
    const text = free.map(({ text: said }) => said).find((said) => said.length > 12)!;
    const stop = text.slice(5, 7);
    const stopped = await t.policy.act(context, { n: 8, maxNewTokens: 40, seed: 9, stop: [stop] });
    const cut = stopped.find((action) => text.startsWith(action.text) && action.finishReason === "stop")!;
    expect(cut.text.indexOf(stop)).toBe(cut.text.length - stop.length);
    expect(t.policy.tokenizer.decode(cut.tokens!.slice(0, -1))).not.toContain(stop);
    expect(cut.logprobs!.length).toBe(cut.tokens!.length);
    await using hiding = await connected({ hidesStopToken: true }, known);
    const error = await failure(hiding.policy.act(context, { maxNewTokens: 20, seed: 2 }));
    expect(error).toMatchObject({ code: "ENDPOINT" });
    expect(error.message).toContain("no token shows why");
  });

  it("refuses to train on samples whose log-probs the trainer does not share", async () => {
    await using t = await connected({ samplerError: -0.8 }, known);
    const context = t.policy.begin([{ role: "user", content: "Hi" }]);
    const [action] = await t.policy.act(context, { maxNewTokens: 8, seed: 1 });
    const one = sequence([...context.tokens!, ...action!.tokens!], context.tokens!.length, {
      behaviorLogprobs: action!.logprobs!,
    });
    const error = await failure(t.policy.update([one], { loss: "grpo" }));
    expect(error.details).toMatchObject({ field: "maxMismatch" });
    expect(t.server.count("optim_step")).toBe(0);
  });

  it("takes the trainer's log-probs of the weights that sampled as the old ones, also in a second update", async () => {
    await using t = await connected({ samplerError: -0.3 }, known); // a ratio of 1.35 would be clipped
    const context = t.policy.begin([{ role: "user", content: "Hi" }]);
    const [action] = await t.policy.act(context, { maxNewTokens: 8, seed: 1 });
    const one = sequence([...context.tokens!, ...action!.tokens!], context.tokens!.length, {
      behaviorLogprobs: action!.logprobs!,
    });
    const first = await t.policy.update([one], { loss: "grpo", optimizer: { lr: 1e-3 } });
    expect(first.clipRatio).toBe(0);
    expect(first.gradNorm).toBeGreaterThan(0);
    const second = await t.policy.update([one], { loss: "grpo", optimizer: { lr: 0.5 } });
    expect(second.clipRatio).toBe(0);
    const third = await t.policy.update([one], { loss: "grpo" }); // by now the policy has moved away
    expect(third.clipRatio).toBe(1);
  });

  it("the base is the model without the adapter", async () => {
    await using t = await connected({}, known);
    expect(t.policy.isBase).toBe(true);
    const sequences = batch().map(({ tokens, actionStart }) => ({ tokens, actionStart }));
    const start = await t.policy.logprobs(sequences);
    await t.policy.update(batch(), { loss: "grpo", optimizer: { lr: 0.1 } });
    expect(t.policy.isBase).toBe(false);
    const base = await t.policy.base.logprobs(sequences);
    for (const [i, logprobs] of base.entries()) close(logprobs, start[i]!, 1e-6);
  });
});

describe("a server at fault", () => {
  const at = (call: string, counts: number[], fault: Fault) => (name: string, count: number) =>
    name === call && counts.includes(count) ? fault : undefined;

  it.each(["held", "polled"] as const)("slow results of %s futures arrive", async (futures) => {
    await using t = await connected({ futures, workMs: 60, holdMs: 20 }, known);
    await t.policy.update(batch(), { loss: "grpo" });
    expect(t.model().steps).toBe(1);
  });

  it.each<[string, Fault]>([
    ["500", { kind: "status", status: 500 }],
    ["503 with Retry-After", { kind: "status", status: 503, headers: { "retry-after-ms": "5" } }],
    ["429", { kind: "status", status: 429 }],
    ["408", { kind: "status", status: 408 }],
    ["a connection that dies", { kind: "close" }],
    ["an answer that is lost", { kind: "lost" }],
    ["half an answer", { kind: "garbage" }],
  ])("%s: a request is repeated, and counts once", async (_, fault) => {
    const wrong = [
      "forward",
      "forward_backward",
      "optim_step",
      "save_weights",
      "save_weights_for_sampler",
      "asample",
    ];
    const seen = new Map<string, number>();
    await using t = await connected(
      {
        fault: (call) => {
          const count = seen.get(call) ?? 0;
          seen.set(call, count + 1);
          return wrong.includes(call) && count % 2 === (call === "forward" ? 1 : 0) ? fault : undefined;
        },
      },
      known,
    );
    const wanted = gradient(t.server, t.model().table, batch(), { loss: "grpo" });
    await t.policy.update(batch(), { loss: "grpo", optimizer: { lr: 0.1 } });
    close(t.server.lastGradient!, wanted, 1e-5);
    expect(t.model().steps).toBe(1);
    await t.policy.act(t.policy.begin([{ role: "user", content: "Hi" }]), { maxNewTokens: 4 });
    await t.policy.saveOptimizer(join(temporaryFolder(), "state.json"));
    expect(t.policy.stats.retries).toBeGreaterThan(3);
  });

  it("where a repeated request would count twice it is not repeated: the policy says that its weights are unknown", async () => {
    await using t = await connected(
      { recognizesRepeats: false, fault: at("optim_step", [0], { kind: "lost" }) },
      known,
    );
    const error = await failure(t.policy.update(batch(), { loss: "grpo" }));
    expect(error).toMatchObject({ code: "ENDPOINT", details: { weightsUnknown: true, trainer: true } });
    expect(t.server.count("optim_step")).toBe(1);
    for (const call of [
      t.policy.update(batch(), { loss: "grpo" }),
      t.policy.act(t.policy.begin([{ role: "user", content: "Hi" }])),
      t.policy.saveOptimizer(join(temporaryFolder(), "state.json")),
    ])
      expect((await failure(call)).message).toContain("unknown");
  });

  it("a gradient that fails after it was accepted is no update", async () => {
    await using t = await connected(
      { fault: at("forward_backward", [0], { kind: "failed", error: "out of memory" }) },
      known,
    );
    const error = await failure(t.policy.update(batch(), { loss: "grpo" }));
    expect(error.message).toContain("out of memory");
    expect(error.details.weightsUnknown).toBe(true);
  });

  it("a refused first request leaves the policy as it was", async () => {
    await using t = await connected(
      { fault: at("forward_backward", [0], { kind: "status", status: 422 }) },
      known,
    );
    expect(await failure(t.policy.update(batch(), { loss: "grpo" }))).toMatchObject({
      details: { status: 422 },
    });
    await t.policy.update(batch(), { loss: "grpo" });
    expect(t.model().steps).toBe(1);
  });

  it("410 and 404 on a result: a request that may be repeated is submitted again", async () => {
    let gone = 0;
    await using t = await connected(
      {
        fault: (call, _, { request_id: id }) =>
          call === "retrieve_future" && Number(id) > 5 && gone++ < 1
            ? { kind: "status", status: gone === 0 ? 404 : 410 }
            : undefined,
      },
      known,
    );
    await t.policy.update(batch(), { loss: "grpo" });
    expect(t.model().steps).toBe(1);
  });

  it("a server that restarts has lost the model, which is an error; a new policy resumes from the saved weights", async () => {
    await using t = await connected({}, known);
    const file = join(temporaryFolder(), "state.json");
    await t.policy.update(batch(), { loss: "grpo", optimizer: { lr: 0.1 } });
    await t.policy.saveOptimizer(file);
    const saved = { ...t.model(), table: t.model().table.slice(), m: t.model().m.slice() };
    await t.policy.update(batch(), { loss: "grpo", optimizer: { lr: 0.1 } });
    t.server.restart();
    const error = await failure(t.policy.update(batch(), { loss: "grpo" }));
    expect(error).toMatchObject({ code: "ENDPOINT", details: { status: 404, trainer: true } });
    expect(error.message).toContain("resume from the last checkpoint");
    const again = await Policy.connect({
      ...{ trainer: "tinker", baseURL: t.server.baseURL, baseModel: "bigram", lora: { rank: 4 }, tokenizer },
      ...quick,
      ...known,
      largestBeta2: 0.999,
    });
    await again.loadOptimizer(file);
    expect(same(t.model().table, saved.table)).toBe(true);
    expect(same(t.model().m, saved.m)).toBe(true);
    expect(again.id).toMatch(/\+1$/);
    await again.dispose();
    const other = await failure(
      connected({}, { ...known, lora: { rank: 8 } }).then(async (o) => {
        await using _ = o;
        await o.policy.loadOptimizer(file);
      }),
    );
    expect(other.message).toContain("rank 4");
  });

  it("the key goes nowhere else, and appears in no error", async () => {
    const apiKey = "tml-secret-key-123456";
    await using t = await connected({}, { ...known, apiKey });
    expect(t.server.calls.every(({ headers }) => headers["x-api-key"] === apiKey)).toBe(true);
    await using elsewhere = await TinkerServer.start({ vocab });
    const error = await failure(
      connected(
        {
          fault: (call) =>
            call === "create_session" ? { kind: "redirect", to: `${elsewhere.baseURL}/x` } : undefined,
        },
        { ...known, apiKey },
      ),
    );
    expect(error.message).toContain("redirects");
    expect(elsewhere.calls).toEqual([]);
    const echoing = await failure(
      connected(
        {
          fault: (call) =>
            call === "create_model"
              ? { kind: "status", status: 401, body: { detail: `bad ${apiKey}` } }
              : undefined,
        },
        { ...known, apiKey },
      ),
    );
    expect(JSON.stringify(echoing.details) + echoing.message).not.toContain(apiKey);
    expect(echoing.message).toContain("check apiKey");
  });

  it("an abort ends a wait, but not an update that was sent", async () => {
    await using t = await connected({ workMs: 80 }, known);
    const stop = new AbortController();
    const acting = t.policy.act(t.policy.begin([{ role: "user", content: "Hi" }]), { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    expect(await failure(acting)).toMatchObject({ code: "ABORTED" });
    const late = new AbortController();
    await t.policy.update(batch(), {
      loss: "grpo",
      signal: late.signal,
      onProgress: (done) => {
        if (done === 1) late.abort();
      },
    });
    expect(t.model().steps).toBe(1);
    expect(await failure(t.policy.update(batch(), { loss: "grpo", signal: late.signal }))).toMatchObject({
      code: "ABORTED",
    });
    expect(t.model().steps).toBe(1);
  });

  it("a deadline ends a wait for a result that never comes", async () => {
    await using t = await connected({}, { ...known, deadlineMs: 1_500, timeoutMs: 200 });
    t.server.options.workMs = 1e6;
    const error = await failure(t.policy.logprobs([{ tokens: [5, 6, 7], actionStart: 1 }]));
    expect(error).toMatchObject({ code: "ENDPOINT" });
    expect(error.message).toContain("deadline");
  });

  it("a tokenizer of another model is refused", async () => {
    const error = await failure(connected({ spread: 30 }, known)); // text of this tokenizer is noise to it
    expect(error).toMatchObject({ code: "CONFIG", details: { field: "tokenizer" } });
  });
});
