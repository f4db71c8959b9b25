/** The oracle labels by the plan; the process judge sees the conversation only, and where it errs is pinned down. */
import { describe, expect, it } from "vitest";
import type { StepView } from "../index.js";
import { isRightStep } from "./oracle.js";
import { judgeProcess } from "./process-judge.js";
import type { WorldQuestion } from "./world.js";

const lookup: WorldQuestion = {
  id: "l",
  question: "What is the mayor of the seat of Kesh Holm?",
  answers: ["Mira Voss"],
  plan: { kind: "lookup", entity: "Kesh Holm", relations: ["seat", "mayor"] },
  results: ["Oru Belm", "Mira Voss"],
};
const sum: WorldQuestion = {
  id: "s",
  question: "Mira has 23 pins, buys 14, loses 9. How many?",
  answers: ["28"],
  plan: {
    kind: "sum",
    start: 23,
    operations: [
      { operator: "+", operand: 14 },
      { operator: "-", operand: 9 },
    ],
  },
  results: ["37", "28"],
};

const seat = {
  action: "<search_query> seat of Kesh Holm</search_query>",
  observation: "seat of Kesh Holm -> Kesh Holm: The seat of Kesh Holm is Oru Belm.",
};
const mayor = {
  action: "<search_query> mayor of Oru Belm</search_query>",
  observation: "mayor of Oru Belm -> Oru Belm: The mayor of Oru Belm is Mira Voss.",
};
const plus = { action: "<math_exp>23 + 14</math_exp>", observation: "23 + 14 -> 37" };
const minus = { action: "<math_exp>37 - 9</math_exp>", observation: "37 - 9 -> 28" };

function call(question: WorldQuestion, input: string, ...history: StepView["history"]): StepView {
  const name = question === sum ? "calculator" : "search";
  return {
    question: question.question,
    history,
    action: input,
    kind: "call",
    call: { name, input },
    callsLeft: 3,
  };
}
function answer(question: WorldQuestion, text: string, ...history: StepView["history"]): StepView {
  return { question: question.question, history, action: text, kind: "answer", answer: text, callsLeft: 3 };
}

/** [what, question, step, oracle, process judge] */
const cases: [string, WorldQuestion, StepView, boolean, boolean][] = [
  ["first query", lookup, call(lookup, "seat of Kesh Holm"), true, true],
  ["second query", lookup, call(lookup, "mayor of Oru Belm", seat), true, true],
  ["answer", lookup, answer(lookup, "Mira Voss", seat, mayor), true, true],
  ["first call", sum, call(sum, "23 + 14"), true, true],
  ["first call, sides swapped", sum, call(sum, "14 + 23"), true, true],
  ["second call", sum, call(sum, "37 - 9", plus), true, true],
  ["answer of a sum", sum, answer(sum, "28", plus, minus), true, true],
  ["right step after a repeat", lookup, call(lookup, "mayor of Oru Belm", seat, seat), true, true],

  ["repeat", lookup, call(lookup, "seat of Kesh Holm", seat), false, false],
  ["early answer", lookup, answer(lookup, "Oru Belm", seat), false, false],
  ["right guess without looking it up", lookup, answer(lookup, "Mira Voss", seat), false, false],
  ["answer after a repeat only", lookup, answer(lookup, "Oru Belm", seat, seat), false, false],
  ["older result as the answer", lookup, answer(lookup, "Oru Belm", seat, mayor), false, false],
  ["stale entity", lookup, call(lookup, "mayor of Kesh Holm", seat), false, false],
  ["misread name", lookup, call(lookup, "seat of Kesh Harth"), false, false],
  ["relation nobody asked for", lookup, call(lookup, "rival of Kesh Holm"), false, false],
  ["a call too many", lookup, call(lookup, "mayor of Mira Voss", seat, mayor), false, false],
  ["text that is no query", lookup, call(lookup, "Kesh Holm"), false, false],
  ["wrong operator", sum, call(sum, "23 * 14"), false, false],
  ["digit slip", sum, call(sum, "28 + 14"), false, false],
  ["operand slip", sum, call(sum, "23 + 19"), false, false],
  ["stale amount", sum, call(sum, "23 - 9", plus), false, false],
  ["used operand", sum, call(sum, "37 - 14", plus), false, false],
  ["early answer of a sum", sum, answer(sum, "37", plus), false, false],
  ["slip in the answer", sum, answer(sum, "29", plus, minus), false, false],
  ["malformed", sum, { ...answer(sum, "28", plus, minus), kind: "malformed" }, false, false],

  // Where the process judge is fallible: it does not check the order.
  ["relations out of order", lookup, call(lookup, "mayor of Kesh Holm"), false, true],
  ["numbers out of order", sum, call(sum, "23 - 9"), false, true],
];

describe("oracle and process judge", () => {
  it.each(cases)("%s", (_, question, step, right, good) => {
    expect(isRightStep(question, step)).toBe(right);
    expect(judgeProcess(step)).toMatchObject({ good });
  });

  it("a step that builds on a wrong result is not right, though its process is good", () => {
    const wrong = { action: "<math_exp>23 * 14</math_exp>", observation: "23 * 14 -> 322" };
    const step = call(sum, "322 - 9", wrong);
    expect([isRightStep(sum, step), judgeProcess(step).good]).toEqual([false, true]);
  });

  it("gives reasons a person can read", () => {
    expect(judgeProcess(call(lookup, "seat of Kesh Holm", seat)).reason).toBe("the call was made before");
    expect(judgeProcess(answer(sum, "37", plus)).reason).toBe("2 steps are asked for, 1 were made");
  });
});
