/**
 * Rollouts over several turns with a live calculator never compute a token of their state twice: after a turn, the
 * engine prefills the last token it drew, the observation and the template's words around it, and nothing else.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { numericMatcher } from "../../src/answers/matchers.js";
import {
  calculator,
  decompose,
  defineTask,
  demonstrate,
  NativePolicy,
  sft,
  synthesize,
  type Trajectory,
} from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

let dir: string;
let policy: NativePolicy;

const task = defineTask({
  name: "sums",
  tools: [calculator()],
  callLimit: 4,
  matcher: numericMatcher(),
  prompt: (question) => [{ role: "user", content: question }],
});

/** Sums in three calls: every policy trained on them makes several turns. */
const demonstrations = Array.from({ length: 24 }, (_, i) => {
  const [a, b] = [11 + (i % 7), 20 + (i % 5)];
  const sums = [a + b, a + b + 10, a + b + 30];
  const inputs = [`${a} + ${b}`, `${sums[0]} + 10`, `${sums[1]} + 20`];
  return {
    question: { id: `q${i}`, question: `What is ${a} + ${b} + 10 + 20 of ${i}`, answers: [`${sums[2]}`] },
    steps: inputs.map((input, step) => ({
      thought: "The sum of 10",
      call: { name: "calculator", input },
      observation: `${sums[step]}`,
    })),
    answer: `${sums[2]}`,
  };
});
const questions = demonstrations.slice(0, 8).map(({ question }) => question);
const options = { task, samples: 3, maxNewTokens: 96, seed: 5, malformed: "retry-message" as const };

beforeAll(async () => {
  dir = temporaryFolder();
  await writeTinyModel(join(dir, "model"), { context: 512 });
  const teacher = await NativePolicy.load(join(dir, "model"), { device: "cpu", threads: 1 });
  const trajectories: Trajectory[] = [];
  for await (const t of demonstrate(demonstrations, { policy: teacher, task, maxNewTokens: 64 }))
    trajectories.push(t);
  expect(trajectories).toHaveLength(demonstrations.length);
  await sft({ policy: teacher, trajectories, steps: 60, batchSize: 16, lr: 1e-2 });
  await teacher.save(join(dir, "taught"));
  await teacher.dispose();
  policy = await NativePolicy.load(join(dir, "taught"), { device: "cpu", threads: 1, trainable: false });
}, 60_000);
afterAll(async () => {
  await policy?.dispose();
});

async function collect(source: AsyncIterable<Trajectory>): Promise<Trajectory[]> {
  const all: Trajectory[] = [];
  for await (const item of source) all.push(item);
  return all;
}

/** The policy, and what each of its acts had to prefill; acts must not overlap. */
function watched() {
  const acts: { state: Int32Array; prefilled: number }[] = [];
  const proxy = new Proxy(policy, {
    get: (target, key) => {
      if (key === "act") {
        return async (context: { tokens: Int32Array }, sampling: object) => {
          const before = target.stats.prefillTokens;
          const actions = await target.act(context as never, sampling);
          acts.push({ state: context.tokens, prefilled: target.stats.prefillTokens - before });
          return actions;
        };
      }
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { acts, proxy };
}

/** Tokens of a trajectory's states that were never computed before: all of the first, what each turn added later. */
function added(trajectory: Trajectory): number[] {
  const subs = decompose(trajectory);
  return subs.map(({ state }, i) => {
    const last = subs[i - 1];
    return last ? state.length - (last.state.length + last.action.length - 1) : state.length;
  });
}

function calls(trajectories: Trajectory[]): number {
  return trajectories.flatMap(({ steps }) => steps).filter((step) => step.kind === "call" && step.observation)
    .length;
}

test("after each turn only what is new is prefilled", async () => {
  const { acts, proxy } = watched();
  const made = await collect(synthesize(questions, { ...options, policy: proxy, concurrency: 1 }));
  expect(calls(made)).toBeGreaterThan(made.length); // several turns a rollout
  expect(acts).toHaveLength(made.reduce((sum, { steps }) => sum + steps.length, 0));
  let turns = 0;
  let at = 0;
  for (const trajectory of made) {
    const states = decompose(trajectory).map(({ state }) => state);
    for (const [turn, fresh] of added(trajectory).entries()) {
      const act = acts[at++]!;
      expect(act.state).toEqual(states[turn]);
      if (turn === 0) {
        expect(act.prefilled).toBeLessThanOrEqual(fresh);
      } else {
        // Another sample of the question may have drawn the same tokens and computed even these.
        expect(act.prefilled, `${trajectory.id}, turn ${turn}`).toBeLessThanOrEqual(fresh);
        if (trajectory.sample === 0) expect(act.prefilled, `${trajectory.id}, turn ${turn}`).toBe(fresh);
        turns++;
      }
    }
  }
  expect(turns).toBeGreaterThan(30);
});

test.each([4, 32])("nor when %d rollouts take turns", async (concurrency) => {
  const before = { ...policy.stats };
  const seed = 100 + concurrency; // other actions than before: nothing is found that another test left
  const made = await collect(synthesize(questions, { ...options, policy, concurrency, seed, samples: 6 }));
  const computed = policy.stats.prefillTokens - before.prefillTokens;
  const cached = policy.stats.cachedTokens - before.cachedTokens;
  // A prompt is computed once, and its last row again for each batch in which other samples of it begin.
  const firsts = made.reduce(
    (sum, trajectory) => sum + (trajectory.sample === 0 ? added(trajectory)[0]! : 1),
    0,
  );
  const turns = made.reduce(
    (sum, trajectory) =>
      sum +
      added(trajectory)
        .slice(1)
        .reduce((a, b) => a + b, 0),
    0,
  );
  expect(computed).toBeLessThanOrEqual(firsts + turns);
  const whole = made.flatMap(decompose).reduce((sum, { state }) => sum + state.length, 0);
  expect(computed + cached).toBe(whole);
  expect(cached / whole).toBeGreaterThan(0.7);
});

test("where thoughts are stripped, the state is computed from where it changed", async () => {
  const { acts, proxy } = watched();
  const made = await collect(
    synthesize(questions, {
      ...options,
      policy: proxy,
      concurrency: 1,
      seed: 77,
      samples: 1,
      keepThoughts: false,
    }),
  );
  let at = 0;
  let stripped = 0;
  for (const trajectory of made) {
    const subs = decompose(trajectory);
    for (const [turn, { state }] of subs.entries()) {
      const act = acts[at++]!;
      if (turn === 0) continue;
      const last = subs[turn - 1]!;
      const computed = [...last.state, ...last.action.slice(0, -1)];
      let kept = 0;
      while (kept < computed.length && computed[kept] === state[kept]) kept++;
      if (kept < computed.length) stripped++;
      expect(kept).toBeGreaterThanOrEqual(last.state.length); // only the action may change
      expect(act.prefilled, `${trajectory.id}, turn ${turn}`).toBeLessThanOrEqual(state.length - kept);
    }
  }
  expect(stripped).toBeGreaterThan(0);
});
