/** The real tools answer the demo's right calls: what the plan needs is what search and calculator give. */
import { describe, expect, it } from "vitest";
import { createRandom, type StepView } from "../index.js";
import { DEMONSTRATION_MISTAKES, demonstrate, type MistakeRates, type Turn } from "./demonstrator.js";
import { oracleJudge, processJudge } from "./judges.js";
import { planSteps } from "./oracle.js";
import { DEMO_SETTINGS } from "./settings.js";
import { demoTask } from "./task.js";
import { createWorld, type WorldQuestion } from "./world.js";

const { callLimit } = DEMO_SETTINGS;
const world = createWorld(3, { ...DEMO_SETTINGS.world, demonstrations: 400 });
const task = await demoTask(world.articles, callLimit);
const NO_MISTAKES = Object.fromEntries(
  Object.keys(DEMONSTRATION_MISTAKES).map((mistake) => [mistake, 0]),
) as unknown as MistakeRates;

async function observe(name: string, input: string): Promise<string> {
  const tool = task.tools.find((one) => one.name === name)!;
  const parsed = name === "search" ? { query: input } : { expression: input };
  return `${input} -> ${await tool.execute(parsed, {})}`;
}

/** Plays a question through with the demonstrator. */
async function play(question: WorldQuestion, rates: MistakeRates, seed: number): Promise<StepView[]> {
  const random = createRandom(seed, question.id);
  const history: Turn[] = [];
  const views: StepView[] = [];
  for (;;) {
    const action = demonstrate(question, history, random, rates);
    const [, tag, text] = /^<(search_query|math_exp|answer)>([\s\S]*)<\/\1>$/.exec(action)!;
    const name = tag === "search_query" ? "search" : "calculator";
    const input = text!.trim();
    const shared = { question: question.question, history: [...history], action, callsLeft: callLimit };
    if (tag === "answer") {
      views.push({ ...shared, kind: "answer", answer: input });
      return views;
    }
    views.push({ ...shared, kind: "call", call: { name, input } });
    history.push({ action, observation: await observe(name, input) });
    if (views.length > callLimit) return views;
  }
}

describe("the demo's task", () => {
  it("finds every step's result with the right call", async () => {
    for (const question of [...world.heldOut, ...world.train.slice(0, 200)]) {
      const name = question.plan.kind === "lookup" ? "search" : "calculator";
      for (const step of planSteps(question)) {
        const observation = await observe(name, step.calls[0]!);
        expect([question.question, observation, step.found(observation)]).toEqual([
          question.question,
          observation,
          true,
        ]);
      }
    }
  });

  it("is solved by a demonstrator without mistakes, whom both judges find faultless", async () => {
    const judges = [processJudge(), oracleJudge(world.heldOut)];
    for (const question of world.heldOut.slice(0, 150)) {
      const views = await play(question, NO_MISTAKES, 1);
      expect(views.at(-1)!.answer).toBe(question.answers[0]);
      for (const view of views) {
        for (const judge of judges) expect(await judge.judge(view)).toMatchObject({ good: true });
      }
    }
  });

  it("is demonstrated imperfectly: between three and seven in ten answers are wrong", async () => {
    let right = 0;
    for (const question of world.demonstrations) {
      const last = (await play(question, DEMONSTRATION_MISTAKES, 2)).at(-1)!;
      if (last.answer === question.answers[0]) right++;
    }
    expect(right / world.demonstrations.length).toBeGreaterThan(0.3);
    expect(right / world.demonstrations.length).toBeLessThan(0.7);
  });

  it("lets the process judge err, but not often: it sees through most mistakes and hardly blames a right step", async () => {
    const oracle = oracleJudge(world.demonstrations);
    const judge = processJudge();
    const counts = { right: 0, blamed: 0, wrong: 0, passed: 0 };
    for (const question of world.demonstrations) {
      for (const view of await play(question, DEMONSTRATION_MISTAKES, 2)) {
        const truth = await oracle.judge(view);
        const verdict = await judge.judge(view);
        if (truth.status !== "ok" || verdict.status !== "ok") throw new Error("a verdict failed");
        counts[truth.good ? "right" : "wrong"]++;
        if (truth.good && !verdict.good) counts.blamed++;
        if (!truth.good && verdict.good) counts.passed++;
      }
    }
    expect(counts.blamed / counts.right).toBeLessThan(0.02);
    expect(counts.passed).toBeGreaterThan(0);
    expect(counts.passed / counts.wrong).toBeLessThan(0.5);
  });
});
