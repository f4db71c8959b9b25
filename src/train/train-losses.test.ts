/** `train` with every loss, several rewards, dynamic sampling and masks, on the tiny world. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { tinyJudge, tinyTrajectories, writeTinyModel } from "../../tests/support/tiny-world.js";
import { exactMatcher } from "../answers/matchers.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Judge } from "../judge/judge.js";
import { LOSS_NAMES } from "../losses/named-losses.js";
import { reinforce } from "../losses/reinforce.js";
import { loadAddon } from "../native/load-addon.js";
import { NativePolicy } from "../policy/native-policy.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { train } from "./train.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainRecord } from "./train-record.js";

/** Passes before the first update after sampling: oneDNN does not promise that its log-probs are the sampler's. */
const first = loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN") ? 1 : 0;

let folder: string;
let trajectories: Trajectory[];
const open: NativePolicy[] = [];

async function load(trainable = true): Promise<NativePolicy> {
  const policy = await NativePolicy.load(join(folder, "model"), { device: "cpu", threads: 1, trainable });
  open.push(policy);
  return policy;
}

beforeAll(async () => {
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"));
  trajectories = await tinyTrajectories(await load(false), 4);
});
afterAll(async () => {
  for (const policy of open) await policy.dispose();
});

async function run(options: Omit<Partial<TrainOptions>, "judge"> & { judge?: Judge | undefined } = {}) {
  const records: TrainRecord[] = [];
  const policy = options.policy ?? (await load());
  const extraForwards: number[] = [];
  const update = policy.update.bind(policy);
  policy.update = async (batch, given) => {
    const metrics = await update(batch, given);
    extraForwards.push(metrics.extraForwards);
    return metrics;
  };
  const result = await train({
    samplesPerState: 4,
    batchSize: 4,
    steps: 2,
    maxNewTokens: 6,
    lr: 1e-2,
    seed: 7,
    policy,
    trajectories,
    judge: tinyJudge,
    onStep: (record) => void records.push(record),
    ...options,
  } as TrainOptions);
  return { policy, result, records, extraForwards };
}

async function weightsOf(policy: NativePolicy): Promise<Float32Array[]> {
  return Promise.all(policy.parameters().map(({ name }) => policy.readParameter(name)));
}

async function problem(options: Parameters<typeof run>[0]): Promise<string> {
  const error = await run(options).catch((e: unknown) => e);
  if (!SwirlError.isInstance(error) || error.code !== "CONFIG") throw new Error(`no CONFIG error: ${error}`);
  return error.message;
}

const good = (id: string, rule: (text: string) => boolean): Judge => ({
  id,
  judge: async ({ action }) => ({ status: "ok", good: rule(action), score: 1, votes: 1 }),
});

describe("losses", () => {
  it.each(LOSS_NAMES)("%s: the first update after sampling needs no pass for old log-probs", async (loss) => {
    const { records, extraForwards } = await run({ loss, updatesPerBatch: 2, steps: 1, lr: 1e-5 });
    expect(records[0]!.grad_norm).toBeGreaterThan(0);
    expect(extraForwards[0]).toBeLessThanOrEqual(first);
    expect(extraForwards[1]).toBeLessThanOrEqual(1);
  });

  it("a user's function trains as the built-in loss of the same equation does", async () => {
    const own = await run({ loss: reinforce() });
    const named = await run({ loss: "reinforce" });
    const [a, b] = [await weightsOf(own.policy), await weightsOf(named.policy)];
    for (const [i, weights] of a.entries())
      for (const [k, x] of weights.entries()) expect(x).toBeCloseTo(b[i]![k]!, 3);
    expect(own.extraForwards).toEqual([first, first]);
  });

  it("a named loss sets its aggregation and its advantages", async () => {
    const checkpoints = { folder: join(folder, "dr"), every: 1, keep: 1 };
    await run({ loss: "grpo", checkpoints });
    expect(await problem({ loss: "dapo", checkpoints })).toMatch(
      /aggregation was "sequence-mean", is "token-mean"/,
    );
    expect(await problem({ loss: "grpo", scaleRewards: "none", checkpoints })).toMatch(
      /scaleRewards was "group", is undefined/,
    );
  });

  it("takes KL from the reward", async () => {
    const reference = await load(false);
    const far = await run({ reference, klWeight: 0, steps: 6 });
    const near = await run({ reference, klWeight: 5, klIn: "reward", klEstimator: "k1", steps: 6 });
    expect(near.records.at(-1)!.kl!).toBeLessThan(far.records.at(-1)!.kl!);
    expect(near.records[0]!.reward).toBe(far.records[0]!.reward); // reported as judged
  });

  it("corrects logged actions by the log-probs they were recorded with", async () => {
    const logged = { actions: "logged", samplesPerState: 1, steps: 1, baseline: "none" } as const;
    const plain = await run(logged);
    const corrected = await run({ ...logged, correction: { mode: "token_truncate", clipMax: 0.5 } });
    expect(corrected.records[0]!.grad_norm!).toBeLessThan(plain.records[0]!.grad_norm!);
  });
});

describe("rewards", () => {
  it("sums several with their weights and logs each", async () => {
    const short = good("short", (text) => text.length < 12);
    const { records } = await run({
      judge: undefined,
      rewards: [
        { name: "even", judge: tinyJudge },
        { name: "short", judge: short, weight: 0.5 },
        { name: "logged", judge: good("never", () => false), weight: 0 },
      ],
      overlong: { buffer: 3, penalty: 2 },
    });
    for (const record of records) {
      const mean = (name: string) => record[`rewards/${name}/mean`]!;
      expect(record.reward).toBeCloseTo(mean("even") + 0.5 * mean("short") + mean("overlong"), 10);
      expect(mean("overlong")).toBeLessThan(0);
      expect(record["rewards/short/std"]).toBeGreaterThan(0);
      expect(mean("logged")).toBe(0);
    }
  });

  it("masks an action if any of its judgments failed", async () => {
    let calls = 0;
    const flaky: Judge = {
      id: "flaky",
      judge: async () =>
        ++calls % 4 === 0
          ? { status: "failed", error: "timeout" }
          : { status: "ok", good: true, score: 1, votes: 1 },
    };
    const rewards = [
      { name: "even", judge: tinyJudge },
      { name: "flaky", judge: flaky },
    ];
    const { records } = await run({ judge: undefined, rewards, steps: 1 });
    expect(records[0]).toMatchObject({ samples: 12, "judge/failed": 4, "rewards/flaky/mean": 1 });
  });

  it("gives logged steps credit for a recorded outcome and for later judgments", async () => {
    const logged = {
      actions: "logged",
      samplesPerState: 1,
      steps: 1,
      baseline: "none",
      batchSize: 8,
    } as const;
    const { records } = await run({
      ...logged,
      judge: undefined,
      rewards: [
        { name: "outcome", outcome: exactMatcher(), credit: "discounted", discount: 0.5 },
        { name: "to-go", judge: good("always", () => true), credit: "return-to-go", discount: 0.5 },
      ],
    });
    // Demonstrations of two right steps: 0.5 and 1 of the outcome, 1.5 and 1 of the judge.
    expect(records[0]).toMatchObject({ "rewards/outcome/mean": 0.75, "rewards/to-go/mean": 1.25, reward: 2 });
  });
});

describe("sampling", () => {
  it("redraws states whose actions all got the same reward, a bounded number of times", async () => {
    const judge = good("short", (text) => text.length < 8); // rare: most states get the same reward for all actions
    const plain = await run({ judge, steps: 1 });
    const { records } = await run({ judge, steps: 1, dynamicSampling: 3 });
    const [record] = records;
    expect(record!["sampling/redrawn"]).toBeGreaterThan(0);
    expect(record!["sampling/redrawn"]).toBeLessThanOrEqual(12);
    expect(record!.samples).toBe(16 - 4 * record!["sampling/uniform"]!);
    expect(record!["sampling/uniform"]! / 4).toBeLessThanOrEqual(plain.records[0]!.frac_reward_zero_std!);
    const never = await run({ judge: good("never", () => false), steps: 1, dynamicSampling: 2 });
    expect(never.records[0]).toMatchObject({
      samples: 0,
      "sampling/redrawn": 8,
      "sampling/uniform": 4,
      loss: null,
    });
  });

  it("leaves truncated actions out of the loss, not out of the baseline", async () => {
    const { records } = await run({ maskTruncated: true, steps: 1, maxNewTokens: 4 });
    const [record] = records;
    expect(record!["sampling/truncated"]).toBeGreaterThan(0);
    expect(record!.samples + record!["sampling/truncated"]!).toBe(16);
  });

  it("resumes exactly", async () => {
    const options = {
      loss: "gspo",
      dynamicSampling: 2,
      updatesPerBatch: 2,
      overlong: { buffer: 2 },
    } as const;
    const whole = await run(options);
    const checkpoints = { folder: join(folder, "resumed"), every: 1, keep: 1 };
    await run({ ...options, steps: 1, checkpoints });
    const resumed = await run({ ...options, checkpoints });
    expect(resumed.result.resumedFrom).toBe(1);
    expect(await weightsOf(resumed.policy)).toEqual(await weightsOf(whole.policy));
  });
});

it("rejects options without effect", async () => {
  const policy = await load();
  const refused = (options: Parameters<typeof run>[0]) => problem({ policy, ...options });
  const part = { name: "a", judge: tinyJudge };
  expect(await refused({ loss: "sapo", updatesPerBatch: 2, clipLow: 0.1 })).toMatch(/clipLow.*loss "sapo"/);
  expect(await refused({ loss: reinforce(), clipLow: 0.1 })).toMatch(/clipLow.*loss of your own/);
  expect(await refused({ loss: "grpo", clipLow: 0.1 })).toMatch(/every ratio is 1/);
  expect(await refused({ loss: "dppo_tv" })).toMatch(/never clips/);
  expect(await refused({ loss: "grpoo" as never })).toMatch(/must be one of reinforce, ppo-clip, grpo/);
  expect(await refused({ correction: {} })).toMatch(/correction does nothing on fresh actions/);
  expect(await refused({ fixedLength: 9 })).toMatch(/fixedLength does nothing/);
  expect(await refused({ loss: "grpo", samplesPerState: 1 })).toMatch(/"group" needs samplesPerState/);
  expect(await refused({ scaleRewards: "group", baseline: "none", samplesPerState: 1 })).toMatch(
    /scaleRewards/,
  );
  expect(await refused({ scaleRewards: "batch", baseline: "reinforce++" })).toMatch(/which whitens/);
  expect(await refused({ klIn: "reward" })).toMatch(/does nothing with klWeight 0/);
  expect(await refused({ dynamicSampling: 2, baseline: "none" })).toMatch(/equal rewards carry a signal/);
  expect(await refused({ overlong: { buffer: 7 } })).toMatch(/above maxNewTokens 6/);
  expect(await refused({ rewards: [part] })).toMatch(/both given, or rewards besides/);
  expect(await refused({ judge: undefined, rewards: [part, part] })).toMatch(/"a" twice/);
  expect(await refused({ judge: undefined, rewards: [{ name: "a" }] })).toMatch(
    /0 of judge, reward and outcome/,
  );
  expect(await refused({ judge: undefined, rewards: [{ ...part, weight: 0 }] })).toMatch(/all have weight 0/);
  expect(await refused({ judge: undefined, rewards: [{ ...part, credit: "return-to-go" }] })).toMatch(
    /can be step here/,
  );
  expect(await refused({ judge: undefined, rewards: [{ name: "a", outcome: exactMatcher() }] })).toMatch(
    /a fresh action has none/,
  );
});
