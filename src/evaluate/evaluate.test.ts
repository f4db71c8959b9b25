import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { lastMessage, type Script, ScriptedPolicy, turnsTaken } from "../../tests/support/scripted-policy.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { exactMatcher } from "../answers/matchers.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Judge } from "../judge/judge.js";
import { calculatorTask } from "../synthesize/tasks.js";
import { tool } from "../tools/tool.js";
import { type EvaluateOptions, type EvaluateProgress, evaluate } from "./evaluate.js";
import { improvement, summarize } from "./summary.js";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder();
});

const double = tool({
  name: "calculator",
  description: "Doubles a number.",
  tag: "math_exp",
  inputSchema: z.object({ expression: z.string() }),
  execute: ({ expression }) => String(Number(expression) * 2),
});
const task = calculatorTask(double);
const questions = Array.from({ length: 8 }, (_, i) => ({
  id: `q${i}`,
  question: `Twice ${i}?`,
  answers: [`${2 * i}.00`],
}));

/** Right for even numbers, "$…" for 4, wrong for odd ones, no answer for 7. */
const script: Script = (context) => {
  const n = Number(/Twice (\d+)/.exec(context.messages[0]!.content)![1]);
  if (turnsTaken(context) === 0) return `<math_exp>${n}</math_exp>`;
  if (n === 7) return "I give up.";
  const seen = lastMessage(context).split("-> ")[1];
  return `<answer>${n % 2 === 1 ? "-1" : n === 4 ? `$${seen}` : seen}</answer>`;
};
const judge: Judge = {
  id: "calls-are-good",
  judge: async (step) => ({
    status: "ok",
    good: step.kind === "call",
    score: step.kind === "call" ? 1 : 0,
    votes: 1,
  }),
};
const options = (more: Partial<EvaluateOptions> = {}): EvaluateOptions => ({
  policy: new ScriptedPolicy(script),
  task,
  ...more,
});

test("accuracy, exact match, F1, tool calls, ends and process label, each over what it is defined on", async () => {
  const { summary, records } = await evaluate(questions, options({ judge }));
  expect(records.map((record) => record.correct)).toEqual([
    true,
    false,
    true,
    false,
    true,
    false,
    true,
    false,
  ]);
  expect(summary).toMatchObject({
    questions: 8,
    accuracy: { value: 0.5, n: 8 },
    exact: { value: 0 }, // "4" is not "4.00" letter for letter
    numeric: { value: 0.5 },
    toolCallsPerQuestion: 1,
    stepsPerQuestion: 2,
    ends: { "answer (right)": 4, "answer (wrong)": 3, malformed: 1 },
    malformed: { "no-tag": 1 },
    processLabel: { value: 0.5, n: 8, steps: 16, failedVerdicts: 0 },
  });
  expect(summary.accuracy.low).toBeCloseTo(0.2152, 3); // Wilson, 4 of 8
  expect(summary.accuracy.high).toBeCloseTo(0.7848, 3);
  const strict = await evaluate(questions, options({ matcher: exactMatcher() }));
  expect(strict.summary.accuracy.value).toBe(0);
  expect(strict.summary.processLabel).toBeUndefined();
});

test("what cannot be checked is in no accuracy, and counted apart", async () => {
  const flaky: Script = (context) => {
    if (context.messages[0]!.content.includes("Twice 2")) throw new SwirlError("ENDPOINT", "503");
    return script(context);
  };
  const matcher = {
    id: "sometimes",
    match: ({ answer }: { answer: string }) => {
      if (answer === "12") throw new Error("judge down");
      return { status: "ok" as const, correct: true };
    },
  };
  const list = [...questions, { id: "goldless", question: "Twice 9?", answers: [] }];
  const { summary } = await evaluate(list, options({ policy: new ScriptedPolicy(flaky), matcher }));
  expect(summary.undecided).toEqual({ "rollout failed": 1, "no gold answer": 1, "answer check failed": 1 });
  expect(summary.accuracy).toMatchObject({ n: 6, value: 5 / 6 });
});

test("questions without gold, and what is no question, are refused before anything is asked", async () => {
  const policy = new ScriptedPolicy(() => {
    throw new Error("asked");
  });
  const ask = (given: unknown[]) => evaluate(given as typeof questions, { policy, task });
  const noGold = questions.map((question) => ({ ...question, answers: [] }));
  await expect(ask(noGold)).rejects.toMatchObject({ code: "INPUT", details: { field: "answers" } });
  await expect(ask([...questions, { ...questions[0], id: "x", answers: "72" }])).rejects.toMatchObject({
    code: "INPUT",
    message: expect.stringContaining("answers"),
  });
});

test("resumes: finished questions are not asked again, failed ones are, and the summary is the same", async () => {
  const output = join(dir, "evaluation.jsonl");
  const whole = await evaluate(questions, options({ judge }));
  const controller = new AbortController();
  const stopped = evaluate(
    questions,
    options({
      judge,
      output,
      concurrency: 1,
      signal: controller.signal,
      onProgress: ({ done }) => done === 3 && controller.abort(),
    }),
  );
  await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });

  let asked = 0;
  const counting = new ScriptedPolicy((context) => {
    if (turnsTaken(context) === 0) asked++;
    return script(context);
  });
  const events: EvaluateProgress[] = [];
  const resumed = await evaluate(
    questions,
    options({ judge, output, policy: counting, onProgress: (event) => events.push(event) }),
  );
  expect(asked).toBe(5);
  expect(events.at(-1)).toMatchObject({ done: 8, total: 8, skipped: 3, correct: 4, decided: 8 });
  expect(resumed.summary).toEqual(whole.summary);

  const failing: Judge = { id: judge.id, judge: async () => Promise.reject(new Error("429")) };
  const other = join(dir, "failing.jsonl");
  const first = await evaluate(questions, options({ judge: failing, output: other }));
  expect(first.summary.processLabel).toMatchObject({ steps: 0, failedVerdicts: 16 });
  expect((await evaluate(questions, options({ judge, output: other }))).summary).toEqual(whole.summary);
});

test("a file of another evaluation is refused", async () => {
  const output = join(dir, "evaluation.jsonl");
  await evaluate(questions, options({ output }));
  const again = (more: Partial<EvaluateOptions>) => evaluate(questions, options({ output, ...more }));
  await expect(again({ matcher: exactMatcher() })).rejects.toThrow(/matcher is numeric, this one is exact/);
  await expect(again({ judge })).rejects.toThrow(/judge is none, this one is calls-are-good/);
  await expect(again({ policy: new ScriptedPolicy(script, { id: "new" }) })).rejects.toThrow(
    /policy is scripted/,
  );
});

test("improvement pairs questions by id and leaves out what either did not decide", async () => {
  const before = (await evaluate(questions, options())).records;
  const better = new ScriptedPolicy((context) =>
    turnsTaken(context) === 0
      ? (script(context) as string)
      : `<answer>${lastMessage(context).split("-> ")[1]}</answer>`,
  );
  const after = (await evaluate([...questions].reverse(), options({ policy: better }))).records;
  expect(improvement(before, after)).toMatchObject({ accuracy: { value: 0.5, n: 8 } });
  // Four questions won and none lost of eight is not yet certain (exact McNemar test: p = 0.125).
  const { low, high } = improvement(before, after)!.accuracy;
  expect(low).toBeGreaterThan(-0.1);
  expect(low).toBeLessThan(0);
  expect(high).toBeLessThan(1);
  expect(improvement(before.slice(0, 2), after.slice(0, 2))).toBeUndefined();
});

test("the process label's interval is that of clustered steps", () => {
  // Ten trajectories, all steps alike within each: ten observations, whatever the number of steps.
  const verdict = (good: boolean) => ({ status: "ok" as const, good, score: Number(good), votes: 1 });
  const record = (good: boolean, steps: number) =>
    ({
      id: `${good}`,
      correct: true,
      verdicts: Array.from({ length: steps }, () => verdict(good)),
      trajectory: { steps: [], end: "answer" },
      f1: 1,
    }) as never;
  const of = (steps: number) =>
    summarize(Array.from({ length: 10 }, (_, i) => record(i % 2 === 0, steps))).processLabel!;
  expect(of(8).value).toBe(0.5);
  expect(of(8).high - of(8).low).toBeCloseTo(of(1).high - of(1).low, 12);
  expect(of(1).high - of(1).low).toBeCloseTo(0.6021, 3); // Wilson, half of 9 · (1.96 / 2.262)²
});

test("0 of 8 right has intervals with a width: for the label, for F1, and for a difference", async () => {
  const never: Judge = { id: "never", judge: async () => false as never };
  const nothing = options({ policy: new ScriptedPolicy(() => "I give up."), judge: never });
  const { summary, records } = await evaluate(questions, nothing);
  const ofEight = { value: 0, n: 8, low: 0, high: expect.closeTo(0.3244, 3) };
  expect(summary).toMatchObject({ accuracy: ofEight, f1: ofEight, processLabel: ofEight });
  const { low, high } = improvement(records, records)!.accuracy;
  expect([low, high]).toEqual([expect.closeTo(-0.277, 2), expect.closeTo(0.277, 2)]);
});

test("questions and matchers of another shape are errors that show the one wanted", async () => {
  const [first] = questions;
  for (const question of [{ ...first, answers: "72" }, { id: "a", question: "?" }, null, "a"]) {
    await expect(evaluate([question as never], options())).rejects.toMatchObject({
      code: "INPUT",
      message: expect.stringContaining('answers: ["72"]'),
    });
  }
  const matcher = { id: "mine", match: () => "yes" as never };
  const { records } = await evaluate([first!], options({ matcher }));
  expect(records[0]).toMatchObject({ correct: null, error: expect.stringContaining("gave 'yes'") });
  const plain = { id: "mine", match: () => true as never };
  expect((await evaluate([first!], options({ matcher: plain }))).records[0]!.correct).toBe(true);
});

test("several trajectories per question: the chosen one counts, the votes are recorded, a second run resumes", async () => {
  const output = join(dir, "votes.jsonl");
  // Two of three trajectories of a question are right; greedy decoding would be the first, wrong one.
  let made = 0;
  const guessing = new ScriptedPolicy((context) => {
    const n = Number(/Twice (\d+)/.exec(context.messages[0]!.content)![1]);
    return `<answer>${made++ % 3 === 0 ? 99 : 2 * n}</answer>`;
  });
  const voting = { policy: guessing, votes: 3, temperature: 0.7, output, concurrency: 1 };
  const { summary, records } = await evaluate(questions.slice(0, 2), options(voting));
  expect(summary.accuracy.value).toBe(1);
  expect(records[1]).toMatchObject({
    sampled: 3,
    select: "majority",
    votes: [
      { answer: "2", count: 2 },
      { answer: "99", count: 1 },
    ],
    trajectory: { sample: 1 },
  });
  const again = await evaluate(questions.slice(0, 2), options(voting));
  expect(made).toBe(6);
  expect(again.records).toEqual(records);
  await expect(evaluate(questions, options({ ...voting, votes: 4 }))).rejects.toThrow(
    /its votes are 3, here/,
  );
  await expect(evaluate(questions, options({ ...voting, select: "judge", judge }))).rejects.toThrow(
    /another run/,
  );
});

test("best of n by the judge; where every verdict fails, the question is undecided and done again", async () => {
  let down = true;
  const picky: Judge = {
    id: "picky",
    judge: async (step) =>
      down
        ? { status: "failed", error: "judge down" }
        : { status: "ok", good: true, score: step.action.includes("0") ? 1 : 0.5, votes: 1 },
  };
  let made = 0;
  const guessing = new ScriptedPolicy(() => `<answer>${made++ % 2 === 0 ? 7 : 0}</answer>`);
  const output = join(dir, "best.jsonl");
  const best = { policy: guessing, votes: 2, select: "judge", temperature: 1, judge: picky, output } as const;
  const first = await evaluate(questions.slice(0, 1), options(best));
  expect(first.records[0]).toMatchObject({
    correct: null,
    undecided: "selection failed",
    error: expect.stringContaining("judge down"),
  });
  down = false;
  const second = await evaluate(questions.slice(0, 1), options(best));
  expect(second.records[0]).toMatchObject({ correct: true, trajectory: { answer: "0" } });
});
