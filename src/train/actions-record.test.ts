import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { tinyJudge, tinyTrajectories, writeTinyModel } from "../../tests/support/tiny-world.js";
import type { Judge, Verdict } from "../judge/judge.js";
import { NativePolicy } from "../policy/native-policy.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { type ActionsRecord, actionsRecord } from "./actions-record.js";
import type { JudgedActions } from "./judged-actions.js";
import { statesOf } from "./states.js";
import { train } from "./train.js";

let folder: string;
let policy: NativePolicy;
let trajectories: Trajectory[];
beforeAll(async () => {
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"));
  policy = await NativePolicy.load(join(folder, "model"), { device: "cpu", threads: 1, trainable: true });
  trajectories = await tinyTrajectories(policy, 6);
});
afterAll(() => policy.dispose());

const lines = async (file: string) =>
  (await readFile(file, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as ActionsRecord);

it("a run logs a line per update, and a resumed run none twice", async () => {
  const file = join(folder, "actions.jsonl");
  let calls = 0;
  const judge: Judge = {
    id: "every-fifth-fails",
    judge: async (view) => (++calls % 5 === 0 ? { status: "failed", error: "down" } : tinyJudge.judge(view)),
  };
  const options = {
    policy,
    trajectories,
    judge,
    judgeConcurrency: 1,
    samplesPerState: 4,
    batchSize: 4,
    maxNewTokens: 6,
    lr: 1e-3,
    actionsFile: file,
    checkpoints: { folder: join(folder, "checkpoints"), every: 2 },
  };
  await train({ ...options, steps: 3 });
  const records = await lines(file);
  expect(records.map(({ step }) => step)).toEqual([1, 2, 3]);
  for (const { states, batch } of records) {
    expect(states).toHaveLength(batch);
    for (const { actions, trajectory, state } of states) {
      const from = trajectories.find(({ id }) => id === trajectory)!;
      expect(from.steps[state]).toBeDefined();
      expect(actions).toHaveLength(4);
      const known = actions.filter(({ reward }) => reward !== null);
      for (const { reward, advantage, verdict, tokens, logprobs } of actions) {
        expect(logprobs).toHaveLength(tokens.length);
        expect(reward === null).toBe(verdict.status === "failed");
        expect(advantage === null).toBe(reward === null || known.length < 2);
        // leave-one-out: the reward minus the mean of the others
        const others = known.reduce((sum, one) => sum + one.reward!, 0) - (reward ?? 0);
        if (advantage !== null) expect(advantage).toBeCloseTo(reward! - others / (known.length - 1), 10);
      }
    }
  }
  await using again = await NativePolicy.load(join(folder, "model"), {
    device: "cpu",
    threads: 1,
    trainable: true,
  });
  await train({ ...options, policy: again, steps: 5 });
  expect((await lines(file)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
});

it("is bounded: few states, short texts, about 64 KiB per update", () => {
  const [state] = trajectories.flatMap(statesOf);
  const text = "x".repeat(10_000);
  const verdict: Verdict = { status: "ok", good: true, score: 1, votes: 1, reason: text };
  const judged = (states: number, samples: number): JudgedActions => {
    const table = <T>(value: T) => Array.from({ length: states }, () => new Array<T>(samples).fill(value));
    return {
      actions: table({
        tokens: new Int32Array(1000),
        logprobs: new Float32Array(1000).fill(-1.23456789),
        text: { text, finishReason: "stop" as const },
      }),
      verdicts: [table(verdict)],
      rewards: table(1),
      parts: new Map(),
      redrawn: 0,
      uniform: [],
      seconds: { sample: 0, judge: 0 },
    };
  };
  const states = (count: number) => new Array<NonNullable<typeof state>>(count).fill(state!);
  const large = actionsRecord(1, states(100), judged(100, 64), []);
  expect(JSON.stringify(large).length).toBeLessThan(64 * 1024);
  expect(large.states[0]).toMatchObject({ samples: 64 });
  expect(large.states[0]!.actions).toHaveLength(8);
  expect(large.states[0]!.actions[0]!.text).toHaveLength(2001);
  expect(large.states[0]!.actions[0]!.logprobs[0]).toBe(-1.2346);
  const small = actionsRecord(1, states(100), judged(100, 1), []);
  expect(small.states).toHaveLength(8);
  expect(JSON.stringify(small).length).toBeLessThan(64 * 1024);
});
