import { expect, test } from "vitest";
import { decompose } from "./decompose.js";
import { stepViews } from "./step-views.js";
import type { Step, Trajectory } from "./trajectory.js";

function step(fields: Partial<Step>): Step {
  return {
    keep: 0,
    append: [],
    action: [],
    logprobs: (fields.action ?? []).map((_, i) => -0.5 * (i + 1)),
    text: "",
    finishReason: "stop",
    kind: "call",
    milliseconds: 1,
    ...fields,
  };
}

function trajectory(steps: Step[], fields: Partial<Trajectory> = {}): Trajectory {
  return {
    version: 1,
    id: "q/0",
    questionId: "q",
    question: "How old is it?",
    gold: ["7"],
    sample: 0,
    seed: 1,
    policy: "p",
    tools: ["search"],
    format: { kind: "tags", callTags: { search: "search_query" }, answerTag: "answer" },
    callLimit: 2,
    prompt: [{ role: "user", content: "How old is it?" }],
    steps,
    end: "answer",
    answer: "7",
    milliseconds: 3,
    ...fields,
  };
}

test("states are rebuilt token for token, thoughts kept and thoughts stripped", () => {
  const kept = trajectory([
    step({ append: [1, 2, 3], action: [4, 5] }),
    step({ keep: 5, append: [6], action: [7] }),
    step({ keep: 7, append: [8, 9], action: [10] }),
  ]);
  expect(decompose(kept).map((sub) => [...sub.state])).toEqual([
    [1, 2, 3],
    [1, 2, 3, 4, 5, 6],
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  ]);
  const stripped = trajectory([
    step({ append: [1, 2, 3], action: [4, 5] }),
    step({ keep: 3, append: [5, 6], action: [7, 7] }),
    step({ keep: 5, append: [8], action: [9] }),
  ]);
  expect(decompose(stripped).map((sub) => [...sub.state])).toEqual([
    [1, 2, 3],
    [1, 2, 3, 5, 6],
    [1, 2, 3, 5, 6, 8],
  ]);
});

test("a sub-trajectory holds action, log-probs, index and view", () => {
  const [first, second] = decompose(
    trajectory([
      step({ append: [1], action: [2, 3], text: "a", call: { name: "search", input: "x" } }),
      step({ keep: 3, append: [4], action: [5], text: "b", kind: "answer" }),
    ]),
  );
  expect(first).toMatchObject({ trajectoryId: "q/0", step: 0, action: Int32Array.of(2, 3) });
  expect(first!.logprobs).toEqual(Float32Array.of(-0.5, -1));
  expect(first!.view.call).toEqual({ name: "search", input: "x" });
  expect(second!.view).toMatchObject({ kind: "answer", answer: "7", action: "b" });
});

test("keep or log-probs that cannot be right name the trajectory and the step", () => {
  const keep = trajectory([step({ append: [1], action: [2] }), step({ keep: 3, append: [4], action: [5] })]);
  expect(() => decompose(keep)).toThrow(/q\/0: steps\.1\.keep: keeps 3 tokens of the 2 before it/);
  const logprobs = trajectory([step({ append: [1], action: [2], logprobs: [] })]);
  expect(() => decompose(logprobs)).toThrow(/steps\.0\.logprobs: 0 log-probs for 1 tokens/);
});

test("a judge sees the history the policy saw, the calls left, and never the gold answer", () => {
  const views = stepViews(
    trajectory(
      [
        step({
          text: "I think … <q>x</q>",
          shown: "<q>x</q>",
          call: { name: "search", input: "x" },
          observation: { text: "x -> y", error: false, milliseconds: 1 },
        }),
        step({
          text: "huh",
          kind: "malformed",
          problem: "no-tag",
          observation: { text: "try again", error: true, milliseconds: 0 },
        }),
        step({ text: "<answer>8</answer>", kind: "answer" }),
      ],
      { answer: "8", gold: ["secret gold"] },
    ),
  );
  expect(views.map((view) => view.callsLeft)).toEqual([1, 0, 0]);
  expect(views[0]!.history).toEqual([]);
  expect(views[2]!.history).toEqual([
    { action: "<q>x</q>", observation: "x -> y" },
    { action: "huh", observation: "try again" },
  ]);
  expect(views[2]!.answer).toBe("8");
  expect(JSON.stringify(views)).not.toContain("secret gold");
});

test("later steps do not change an earlier view", () => {
  const steps = [step({ text: "a" }), step({ text: "b" })];
  const [first] = stepViews(trajectory(steps));
  expect(first!.history).toHaveLength(0);
});
