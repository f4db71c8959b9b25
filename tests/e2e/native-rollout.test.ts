/**
 * Stage 1 and 3 on the native engine with a tiny policy that was taught to call its tool: what the records say is what
 * the engine did, token for token, whatever ran at the same time.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  decompose,
  evaluate,
  NativePolicy,
  readTrajectories,
  sft,
  solve,
  synthesize,
  type Trajectory,
  trajectorySchema,
} from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyDemonstrations, tinyTask, tinyTrajectories, writeTinyModel } from "../support/tiny-world.js";

let dir: string;
let policy: NativePolicy;
const questions = tinyDemonstrations(6).map(({ question }) => question);
const options = {
  task: tinyTask,
  samples: 3,
  maxNewTokens: 40,
  seed: 11,
  malformed: "retry-message" as const,
};

beforeAll(async () => {
  dir = temporaryFolder();
  await writeTinyModel(join(dir, "model"));
  policy = await NativePolicy.load(join(dir, "model"), { device: "cpu", threads: 1, trainable: true });
  await sft({ policy, trajectories: await tinyTrajectories(policy, 16), steps: 60, batchSize: 16, lr: 1e-2 });
}, 60_000);
afterAll(async () => {
  await policy?.dispose();
});

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

function content(trajectories: Trajectory[]): string[] {
  return trajectories
    .map((t) =>
      JSON.stringify(trajectorySchema.parse(t), (key, value) => (key === "milliseconds" ? 0 : value)),
    )
    .map((text) => createHash("sha256").update(text).digest("hex"))
    .sort();
}

test("trajectories call the live tool, and their file gives back the exact states, actions and log-probs", async () => {
  const output = join(dir, "trajectories.jsonl");
  const made = await collect(synthesize(questions, { policy, output, ...options }));
  expect(made).toHaveLength(18);
  const calls = made.flatMap((t) => t.steps).filter((step) => step.kind === "call" && step.observation);
  expect(calls.length).toBeGreaterThan(6);
  for (const step of calls) {
    if (!step.observation!.error)
      expect(step.observation!.text).toBe(`${step.call!.input} -> ${step.call!.input.length}`);
  }
  const subs = (await collect(readTrajectories(output))).flatMap(decompose);
  const scored = await policy.logprobs(
    subs.map(({ state, action }) => ({ tokens: [...state, ...action], actionStart: state.length })),
  );
  let worst = 0;
  for (const [i, sub] of subs.entries()) {
    expect(scored[i]).toHaveLength(sub.logprobs.length);
    sub.logprobs.forEach((logprob, t) => {
      worst = Math.max(worst, Math.abs(logprob - scored[i]![t]!));
    });
  }
  expect(worst).toBeLessThanOrEqual(1e-5);
});

test("content does not depend on what ran at the same time, nor on where a run was stopped", async () => {
  const alone = content(await collect(synthesize(questions, { policy, ...options, concurrency: 1 })));
  expect(content(await collect(synthesize(questions, { policy, ...options, concurrency: 16 })))).toEqual(
    alone,
  );
  const output = join(dir, "stopped.jsonl");
  let seen = 0;
  for await (const _ of synthesize(questions, { policy, output, ...options })) if (++seen === 7) break;
  await collect(synthesize(questions, { policy, output, ...options }));
  expect(content(await collect(readTrajectories(output)))).toEqual(alone);
});

test("stripped thoughts rebuild to the states the engine acted in", async () => {
  const states: Int32Array[] = [];
  const watched = new Proxy(policy, {
    get: (target, key) => {
      if (key === "act") {
        return (context: { tokens: Int32Array }, sampling: object) => {
          states.push(context.tokens);
          return target.act(context as never, sampling);
        };
      }
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const settings = { ...options, policy: watched, samples: 1, concurrency: 1, keepThoughts: false };
  const made = await collect(synthesize(questions, settings));
  expect(made.flatMap(decompose).map((sub) => sub.state)).toEqual(states);
  expect(made.some((t) => t.steps.length > 1)).toBe(true);
});

test("solve and evaluate are greedy and agree", async () => {
  const settings = { policy, task: tinyTask, maxNewTokens: 40 };
  const { records, summary } = await evaluate(questions, settings);
  expect(summary.questions).toBe(questions.length);
  const solved = await solve(questions[0]!, settings);
  expect(solved.steps.map((step) => step.action)).toEqual(
    records[0]!.trajectory.steps.map((step) => step.action),
  );
});

test("the model's context is a limit, not a crash", async () => {
  const long = { id: "long", question: "word ".repeat(300), answers: [] };
  const [failed] = await collect(synthesize([long], { policy, ...options, samples: 1 }));
  expect(failed).toMatchObject({
    end: "failed",
    error: expect.stringMatching(/prompt has \d+ tokens, the context 256/),
  });
});

test("a chat template without tools refuses the chat-template format at once", () => {
  const run = () => synthesize(questions, { policy, ...options, format: "chat-template" });
  expect(run).toThrow(/template of this model does not show tools/);
});
