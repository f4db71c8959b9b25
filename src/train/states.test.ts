import { describe, expect, it } from "vitest";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import { fingerprint, freshView, statesOf } from "./states.js";

function step(fields: Partial<Step>): Step {
  return {
    keep: 0,
    append: [],
    action: [7, 8],
    logprobs: [-1, -2],
    text: "",
    finishReason: "stop",
    kind: "call",
    milliseconds: 0,
    ...fields,
  };
}

const trajectory: Trajectory = {
  version: 1,
  id: "q/0",
  questionId: "q",
  question: "What is 2 + 2?",
  gold: ["4"],
  sample: 0,
  seed: 1,
  policy: "p",
  tools: ["calculator"],
  format: { kind: "tags", callTags: { calculator: "math_exp" }, answerTag: "answer" },
  callLimit: 2,
  prompt: [],
  steps: [
    step({
      append: [1, 2, 3],
      text: "<math_exp>2+2</math_exp>",
      call: { name: "calculator", input: "2+2" },
      observation: { text: "2+2 -> 4", error: false, milliseconds: 0 },
    }),
    step({ keep: 5, append: [4], text: "<answer>4</answer>", kind: "answer", finishReason: "eos" }),
  ],
  end: "answer",
  answer: "4",
  milliseconds: 0,
};

describe("statesOf", () => {
  it("rebuilds every state, with what is needed to parse a fresh action in it", () => {
    const states = statesOf(trajectory);
    expect(states.map(({ state }) => Array.from(state))).toEqual([
      [1, 2, 3],
      [1, 2, 3, 7, 8, 4],
    ]);
    expect(states.map(({ finishReason }) => finishReason)).toEqual(["stop", "eos"]);
    expect(states[1]).toMatchObject({ questionId: "q", trajectoryId: "q/0", step: 1, callLimit: 2 });
  });
});

describe("freshView", () => {
  const [first, second] = statesOf(trajectory);

  it("shows a judge the logged history and the fresh action, never the gold answer", () => {
    const view = freshView(second!, { text: "Again. <math_exp>4*1</math_exp>", finishReason: "stop" });
    expect(view).toEqual({
      question: "What is 2 + 2?",
      history: [{ action: "<math_exp>2+2</math_exp>", observation: "2+2 -> 4" }],
      action: "Again. <math_exp>4*1</math_exp>",
      kind: "call",
      call: { name: "calculator", input: "4*1" },
      callsLeft: 0,
    });
    expect(JSON.stringify(freshView(first!, { text: "x", finishReason: "stop" }))).not.toMatch(/gold/);
  });

  it("counts the tool calls that would be left", () => {
    const left = (text: string, state = first!) => freshView(state, { text, finishReason: "stop" }).callsLeft;
    expect(left("<math_exp>1+1</math_exp>")).toBe(1);
    expect(left("<answer>4</answer>")).toBe(2);
    expect(left("nothing of the kind")).toBe(1);
    expect(left("<answer>4</answer>", second!)).toBe(1);
  });

  it("reads truncated actions as malformed", () => {
    expect(freshView(first!, { text: "Let me see", finishReason: "length" }).kind).toBe("malformed");
    expect(freshView(first!, { text: "<answer>4</answer>", finishReason: "stop" })).toMatchObject({
      answer: "4",
    });
  });
});

describe("fingerprint", () => {
  const of = (state: number[], action: number[]) => ({
    state: Int32Array.from(state),
    action: Int32Array.from(action),
  });

  it("tells other tokens, another order and another border between state and action apart", () => {
    const prints = [
      [of([1, 2], [3])],
      [of([1], [2, 3])],
      [of([1, 2], [4])],
      [of([1, 2], [3]), of([5], [6])],
      [of([5], [6]), of([1, 2], [3])],
    ].map(fingerprint);
    expect(new Set(prints).size).toBe(5);
    expect(fingerprint([of([1, 2], [3])])).toBe(prints[0]);
  });
});
