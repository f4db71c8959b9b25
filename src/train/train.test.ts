import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { tinyJudge, tinyTask, tinyTrajectories, writeTinyModel } from "../../tests/support/tiny-world.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Judge } from "../judge/judge.js";
import { NativePolicy } from "../policy/native-policy.js";
import type { StepView } from "../trajectory/step-views.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { outcomeReward, type Reward } from "./reward.js";
import { sft } from "./sft.js";
import { statesOf } from "./states.js";
import { train } from "./train.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainRecord } from "./train-record.js";

let folder: string;
let trajectories: Trajectory[];
const open: NativePolicy[] = [];

async function load(trainable = true): Promise<NativePolicy> {
  const policy = await NativePolicy.load(join(folder, "model"), { device: "cpu", threads: 1, trainable });
  open.push(policy);
  return policy;
}

async function weightsOf(policy: NativePolicy): Promise<Float32Array[]> {
  return Promise.all(policy.parameters().map(({ name }) => policy.readParameter(name)));
}

beforeAll(async () => {
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"));
  trajectories = await tinyTrajectories(await load(false), 6);
});
afterAll(async () => {
  for (const policy of open) await policy.dispose();
});

const small = { samplesPerState: 4, batchSize: 4, steps: 3, maxNewTokens: 6, lr: 1e-3, seed: 7 } as const;

async function run(options: Omit<Partial<TrainOptions>, "judge"> & { judge?: Judge | undefined }) {
  const records: TrainRecord[] = [];
  const policy = options.policy ?? (await load());
  const result = await train({
    ...small,
    policy,
    trajectories,
    judge: tinyJudge,
    onStep: (record) => records.push(record),
    ...options,
  } as TrainOptions);
  return { policy, result, records };
}

async function problem(promise: Promise<unknown>): Promise<SwirlError> {
  const error = await promise.then(() => undefined).catch((e: unknown) => e);
  if (!SwirlError.isInstance(error)) throw new Error(`no SwirlError: ${error}`);
  return error;
}

describe("train", () => {
  it("rewards by outcome: each fresh action is rolled out to its end, and only a right answer has a reward", async () => {
    const seen: { text: string; good: boolean | undefined }[] = [];
    const inner = outcomeReward({ task: tinyTask });
    const reward: Reward = {
      id: inner.id,
      async score(state, action, context) {
        const verdict = await inner.score(state, action, context);
        seen.push({ text: action.text, good: verdict.status === "ok" ? verdict.good : undefined });
        return verdict;
      },
    };
    const { records } = await run({ judge: undefined, reward, steps: 1 });
    expect(seen).toHaveLength(records[0]!.samples);
    expect(seen.every(({ good }) => good === false)).toBe(true); // an untrained policy answers nothing

    const policy = await load();
    const [state] = statesOf(trajectories[0]!).slice(-1);
    const context = { policy, temperature: 1, maxNewTokens: 6, seed: 1 };
    const said = (text: string) => ({
      text,
      tokens: policy.tokenizer.encode(text, { continues: true }),
      finishReason: "stop" as const,
    });
    const right = `<answer>${trajectories[0]!.gold[0]}</answer>`;
    expect(await inner.score(state!, said(right), context)).toMatchObject({ good: true, score: 1 });
    expect(await inner.score(state!, said("<answer>99</answer>"), context)).toMatchObject({ good: false });
    const unknown = { ...state!, trajectory: { ...state!.trajectory, gold: [] } };
    expect(await inner.score(unknown, said(right), context)).toMatchObject({ status: "failed" });
  });

  it("refuses outcomeReward at once where no trajectory has a gold answer", async () => {
    const unknown = trajectories.map((trajectory) => ({ ...trajectory, gold: [] }));
    const reward = outcomeReward({ task: tinyTask });
    const training = run({ judge: undefined, reward, trajectories: unknown });
    expect(await problem(training)).toMatchObject({ code: "INPUT" });
  });

  it("takes a judge or a reward, not both and not neither, and no reward of logged actions", async () => {
    const reward = outcomeReward({ task: tinyTask });
    expect((await problem(run({ reward }))).message).toMatch(/judge and reward are both given/);
    expect((await problem(run({ judge: undefined }))).message).toMatch(/neither/);
    const logged = run({ judge: undefined, reward, actions: "logged", samplesPerState: 1 });
    expect((await problem(logged)).message).toMatch(/reward does nothing/);
  });

  it("samples, judges and updates, and reports under TRL's names", async () => {
    const before = await weightsOf(await load());
    const metricsFile = join(folder, "metrics.jsonl");
    const { policy, result, records } = await run({ metricsFile });
    expect(result).toMatchObject({
      steps: 3,
      resumedFrom: 0,
      states: 12,
      skippedUpdates: 0,
      judgeFailures: 0,
    });
    expect((await weightsOf(policy)).some((weights, i) => weights.some((w, j) => w !== before[i]![j]))).toBe(
      true,
    );
    expect(records.map(({ step, epoch }) => [step, epoch])).toEqual([
      [1, 1 / 3],
      [2, 2 / 3],
      [3, 1],
    ]);
    for (const record of records) {
      expect(record.samples).toBe(16);
      expect(record.reward).toBeGreaterThan(0);
      expect(record.reward).toBeLessThan(1);
      expect(record.grad_norm).toBeGreaterThan(0);
      expect(record.entropy).toBeGreaterThan(0);
      expect(record.tree_tokens).toBeLessThan(record.num_tokens);
      expect(record["completions/max_length"]).toBeLessThanOrEqual(6);
      expect(record.kl).toBeNull();
      expect(record.clip_ratio).toBeNull();
    }
    const lines = (await readFile(metricsFile, "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(records);
  });

  it("never executes an action: the judge sees the logged history and the fresh action", async () => {
    const seen: StepView[] = [];
    const judge: Judge = {
      id: "spy",
      judge: async (view) => {
        seen.push(view);
        return { status: "ok", good: seen.length % 2 === 0, score: 1, votes: 1 };
      },
    };
    await run({ judge, steps: 1, batchSize: 12 });
    expect(seen).toHaveLength(48);
    for (const view of seen) {
      const trajectory = trajectories.find(({ question }) => question === view.question)!;
      expect(view.history.length).toBeLessThan(trajectory.steps.length);
      for (const [i, { action, observation }] of view.history.entries()) {
        expect(action).toBe(trajectory.steps[i]!.text);
        expect(observation).toBe(trajectory.steps[i]!.observation!.text);
      }
    }
    expect(new Set(seen.map(({ action }) => action)).size).toBeGreaterThan(20);
  });

  it("masks a judgment that failed", async () => {
    let calls = 0;
    const judge: Judge = {
      id: "flaky",
      judge: async () =>
        ++calls % 4 === 0
          ? { status: "failed", error: "timeout" }
          : { status: "ok", good: calls % 3 === 0, score: 1, votes: 1 },
    };
    const { records, result } = await run({ judge, steps: 1 });
    expect(records[0]).toMatchObject({ samples: 12, "judge/failed": 4 });
    expect(records[0]!.reward).toBeCloseTo(1 / 3, 12); // a failure is not a zero
    expect(result.judgeFailures).toBe(4);
  });

  it("stops when nothing can be judged, having changed nothing", async () => {
    const policy = await load();
    const before = await weightsOf(policy);
    const judge: Judge = {
      id: "down",
      judge: async () => {
        throw new Error("connection refused");
      },
    };
    const error = await problem(run({ policy, judge }));
    expect(error.code).toBe("ENDPOINT");
    expect(error.message).toMatch(/step 1 could be judged: connection refused/);
    expect(await weightsOf(policy)).toEqual(before);
  });

  it("stays near the reference", async () => {
    const far = await run({ reference: await load(false), klWeight: 0, lr: 1e-2, steps: 6 });
    const near = await run({ reference: await load(false), klWeight: 5, lr: 1e-2, steps: 6 });
    expect(far.records[0]!.kl).toBeCloseTo(0, 5); // the policy is its reference
    expect(far.records.at(-1)!.kl).toBeGreaterThan(0);
    expect(near.records.at(-1)!.kl!).toBeLessThan(far.records.at(-1)!.kl!);
  });

  it("raises the reward it is trained on", async () => {
    const judge: Judge = {
      id: "few-letters",
      judge: async ({ action }) => ({ status: "ok", good: action.length < 14, score: 1, votes: 1 }),
    };
    const { records } = await run({ judge, steps: 30, lr: 1e-2, samplesPerState: 8 });
    const mean = (part: TrainRecord[]) => part.reduce((sum, { reward }) => sum + reward!, 0) / part.length;
    expect(mean(records.slice(-5))).toBeGreaterThan(mean(records.slice(0, 3)) + 0.2);
  });

  it("trains on logged actions without sampling new ones", async () => {
    const { records } = await run({ actions: "logged", samplesPerState: 1, steps: 2 });
    const lengths = trajectories.flatMap(({ steps }) => steps.map(({ action }) => action.length));
    expect(records[0]!.samples).toBe(4);
    expect(lengths).toContain(records[0]!["completions/max_length"]);
  });

  it("clips with ppo-clip over several updates", async () => {
    const { records } = await run({ loss: "ppo-clip", updatesPerBatch: 4, lr: 2e-2, steps: 2 });
    expect(records[1]!.clip_ratio).toBeGreaterThan(0);
  });

  it("leaves out an update that is not finite, and stops after too many", async () => {
    const policy = await load();
    const notes: string[] = [];
    // The first update of the batch sends the weights to 1e30; the second one cannot be computed.
    const error = await problem(
      run({
        policy,
        loss: "ppo-clip",
        updatesPerBatch: 3,
        lr: 1e30,
        maxGradNorm: 0,
        maxSkippedUpdates: 1,
        onNote: (text) => notes.push(text),
      }),
    );
    expect(error.code).toBe("NUMERICS");
    expect(error.message).toMatch(/2 updates were skipped .* 1 are allowed/);
    expect(notes).toEqual([expect.stringMatching(/^step 1: .* not finite; weights unchanged$/)]);
    for (const weights of await weightsOf(policy)) expect(weights.every(Number.isFinite)).toBe(true);
    expect(policy.optimizerStep()).toBe(1);
  });

  it("validates every so often", async () => {
    const { records } = await run({
      validate: { every: 2, run: async (_, step) => ({ accuracy: step / 10 }) },
    });
    expect(records.map((record) => record["validation/accuracy"])).toEqual([undefined, 0.2, undefined]);
  });

  it.each([
    ["NaN", { accuracy: Number.NaN }],
    ["a text", { accuracy: "0.5" }],
    ["nothing", undefined],
  ])("ends on a validation of %s, which is never written", async (_, value) => {
    const metricsFile = join(folder, "invalid.jsonl");
    const validate = { every: 1, run: async () => value as never };
    const error = await problem(run({ validate, metricsFile, steps: 1 }));
    expect(error).toMatchObject({ code: "CONFIG", details: { field: "validate.run" } });
    expect(await readFile(metricsFile, "utf8")).toBe("");
  });

  it.each([
    [
      "throws",
      (): void => {
        throw new Error("full");
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("full");
      },
    ],
  ])("gives a typed error when onStep or the validation %s", async (_, fails) => {
    const onStep = await problem(run({ onStep: fails, steps: 2 }));
    expect(onStep).toMatchObject({ code: "CONFIG", message: expect.stringContaining("onStep threw: full") });
    const validate = { every: 1, run: fails as never };
    const validated = await problem(run({ validate, steps: 1 }));
    expect(validated).toMatchObject({
      code: "CONFIG",
      message: expect.stringContaining("validate.run threw: full"),
    });
  });

  it("rejects a judge or a reward that returns no verdicts, and what is not a trajectory", async () => {
    const judge = { id: "mine", judge: async () => ({ good: true }) } as unknown as Judge;
    expect((await problem(run({ judge }))).message).toMatch(
      /judge\(\) of mine returned \{ good: true \}, which is not a verdict/,
    );
    const reward = { id: "mine", score: async () => "GOOD" } as unknown as Reward;
    expect((await problem(run({ judge: undefined, reward }))).message).toMatch(
      /score\(\) of mine returned 'GOOD'/,
    );
    const given = [{ trajectory: trajectories[0] }] as unknown as Trajectory[];
    expect(await problem(run({ trajectories: given }))).toMatchObject({ code: "RECORD" });
  });

  it("reports once that the rewards carry no signal", async () => {
    const notes: string[] = [];
    const judge = { id: "graded", judge: async () => 0.6 + 0.3 * Math.random() } as unknown as Judge;
    await run({ judge, onNote: (note) => notes.push(note) });
    expect(notes).toEqual([expect.stringMatching(/^step 1: all 16 rewards .*set rewardMap to "score"/)]);
    notes.length = 0;
    const { records } = await run({ judge, rewardMap: "score", onNote: (note) => notes.push(note) });
    expect(notes).toEqual([]);
    expect(records[0]!.reward_std).toBeGreaterThan(0);
  });

  it("gives the same weights for the same seed, and others for another", async () => {
    const [a, b, c] = [await run({}), await run({}), await run({ seed: 8 })];
    expect(await weightsOf(a.policy)).toEqual(await weightsOf(b.policy));
    expect(await weightsOf(a.policy)).not.toEqual(await weightsOf(c.policy));
  });

  it("saves what is done when it is interrupted, and resumes to the same weights", async () => {
    const whole = await run({ steps: 4 });
    const checkpoints = { folder: join(folder, "interrupted"), every: 100, keep: 1 };
    const controller = new AbortController();
    const stopped = run({
      steps: 4,
      checkpoints,
      signal: controller.signal,
      onStep: ({ step }) => step === 2 && controller.abort(),
    });
    expect((await problem(stopped)).code).toBe("ABORTED");
    const resumed = await run({ steps: 4, checkpoints });
    expect(resumed.result).toMatchObject({ steps: 4, resumedFrom: 2 });
    expect(await weightsOf(resumed.policy)).toEqual(await weightsOf(whole.policy));
    expect(resumed.result.tokens).toBe(whole.result.tokens);
    const again = await run({ steps: 4, checkpoints });
    expect(again.result).toMatchObject({ steps: 4, resumedFrom: 4, last: undefined });

    const other = await problem(run({ steps: 4, checkpoints, lr: 1e-4 }));
    expect(other.message).toMatch(/made with other options: lr was 0\.001, is 0\.0001/);
  });

  it("is the only run on its checkpoints and its metrics, until it ends", async () => {
    const checkpoints = { folder: join(folder, "locked"), every: 1, keep: 1 };
    const elsewhere = { folder: join(folder, "elsewhere"), every: 1, keep: 1 };
    const metricsFile = join(folder, "locked.jsonl");
    const policy = await load();
    const seconds: SwirlError[] = [];
    await run({
      steps: 1,
      checkpoints,
      metricsFile,
      validate: {
        every: 1,
        run: async () => {
          seconds.push(await problem(run({ policy, checkpoints })));
          seconds.push(await problem(sft({ policy, trajectories, checkpoints })));
          seconds.push(await problem(run({ policy, checkpoints: elsewhere, metricsFile })));
          return {};
        },
      },
    });
    expect(seconds.map(({ code, details }) => [code, details.file])).toEqual([
      ["CONFIG", checkpoints.folder],
      ["CONFIG", checkpoints.folder],
      ["CONFIG", metricsFile],
    ]);
    expect((await run({ steps: 2, checkpoints, metricsFile })).result.resumedFrom).toBe(1);
    await run({ steps: 1, checkpoints: elsewhere }); // the rejected run holds no lock
  });

  it("makes three passes over the states by default, and one when the actions are logged", async () => {
    const policy = await load();
    const { samplesPerState: _, steps: __, ...rest } = small;
    const epochOf = async (actions: "fresh" | "logged") => {
      const { last } = await train({ ...rest, actions, policy, trajectories, judge: tinyJudge });
      return last!.epoch;
    };
    expect(await epochOf("fresh")).toBe(3);
    expect(await epochOf("logged")).toBe(1);
  });

  it("rejects combinations without effect", async () => {
    const policy = await load();
    const refused = async (options: Partial<TrainOptions>) =>
      (await problem(run({ policy, ...options }))).message;
    expect(await refused({ baseline: "group", samplesPerState: 1 })).toMatch(/needs samplesPerState of 2/);
    expect(await refused({ klWeight: 0.1 })).toMatch(/klWeight is 0.1 without a reference/);
    expect(await refused({ clipLow: 0.1 })).toMatch(/do nothing with loss "reinforce"/);
    expect(await refused({ loss: "ppo-clip" })).toMatch(/never clips/);
    expect(await refused({ epochs: 1 })).toMatch(/epochs and steps are both given/);
    expect(await refused({ actions: "logged", samplesPerState: 4 })).toMatch(/one logged action/);
    expect(await refused({ trajectories: [] })).toMatch(/no state to train on/);
    expect(await refused({ samplePerState: 4 } as never)).toMatch(/did you mean samplesPerState/);
    const untokenized = {
      ...trajectories[0]!,
      steps: trajectories[0]!.steps.map((s) => ({ ...s, append: [], keep: 0 })),
    };
    expect(await refused({ trajectories: [untokenized] })).toMatch(/has no tokens/);
  });
});

describe("sft", () => {
  it("learns its demonstrations", async () => {
    const policy = await load();
    const losses: number[] = [];
    await sft({
      policy,
      trajectories,
      lr: 1e-2,
      epochs: 60,
      batchSize: 6,
      onStep: ({ loss }) => losses.push(loss!),
    });
    expect(losses[0]).toBeGreaterThan(4);
    expect(losses.at(-1)).toBeLessThan(0.3);
    const [action] = await policy.act(policy.begin(trajectories[0]!.prompt), {
      temperature: 0,
      maxNewTokens: 32,
      stop: ["</search_query>"],
    });
    expect(action!.text).toBe(trajectories[0]!.steps[0]!.text);
    expect(Array.from(action!.tokens!)).toEqual(trajectories[0]!.steps[0]!.action);
  });

  it("resumes to the same weights", async () => {
    const options = {
      trajectories,
      lr: 1e-3,
      steps: 4,
      batchSize: 2,
      seed: 3,
      schedule: "cosine",
      warmupSteps: 1,
    } as const;
    const whole = await load();
    await sft({ ...options, policy: whole });
    const checkpoints = { folder: join(folder, "sft"), every: 1, keep: 2 };
    const controller = new AbortController();
    const first = sft({
      ...options,
      policy: await load(),
      checkpoints,
      signal: controller.signal,
      onStep: () => controller.abort(),
    });
    expect((await problem(first)).code).toBe("ABORTED");
    const policy = await load();
    expect(await sft({ ...options, policy, checkpoints })).toMatchObject({ steps: 4, resumedFrom: 1 });
    expect(await weightsOf(policy)).toEqual(await weightsOf(whole));
  });
});
