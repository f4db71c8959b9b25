import { describe, expect, it } from "vitest";
import type { LabelledStep } from "./calibration.js";
import { asCalculatorSteps, equationsIn } from "./processbench-calls.js";
import { ruleJudges } from "./rules/rule-judges.js";

describe("equationsIn", () => {
  it.each<[string, string[]]>([
    ["they have \\(18 - 6 = 12\\) flamingos", ["18 - 6 -> 12"]],
    ["\\(2 \\text{ books} \\times 2 \\text{ pounds/book} = 4 \\text{ pounds}\\)", ["2 * 2 -> 4"]],
    ["Total cost = Cost per gallon * gallons = $3.5 * 4000 = $14,000.", ["3.5 * 4000 -> 14000"]],
    ["so $\\frac{1}{3} \\times 18 = 6$ of them", ["(1)/(3) * 18 -> 6"]],
    ["1. First, 5 + 3 = 8, then 8 × 2 = 16.", ["5 + 3 -> 8", "8 * 2 -> 16"]],
    ["x = 5 and no calculation", []],
    ["in 2004-2005 nothing is equal", []],
    ["it is 7 = 7", []],
  ])("%s", (text, expected) => {
    expect(equationsIn(text).map(({ expression, result }) => `${expression} -> ${result}`)).toEqual(expected);
  });
});

describe("asCalculatorSteps", () => {
  const step = (
    i: number,
    action: string,
    good: boolean,
    kind: "call" | "answer" = "call",
  ): LabelledStep => ({
    id: `s/${i}`,
    good,
    view: {
      question: "Ann has 18 pins and buys 6.",
      history: texts.slice(0, i).map((t) => ({ action: t })),
      action,
      kind,
      callsLeft: 2,
    },
  });
  const texts = ["We add.", "18 + 6 = 24", "24 - 7 = 17", "The answer is \\(\\boxed{17}\\)."];
  const steps = [
    step(0, texts[0]!, true),
    step(1, texts[1]!, true),
    step(2, texts[2]!, false),
    step(3, texts[3]!, true, "answer"),
  ];

  it("turns equations into calls with their results, and leaves out what calculates nothing", () => {
    const calls = asCalculatorSteps(steps);
    expect(calls.map(({ id }) => id)).toEqual(["s/1", "s/2", "s/3"]);
    expect(calls[1]!.view).toMatchObject({ call: { name: "calculator", input: "24 - 7" }, kind: "call" });
    expect(calls[1]!.view.history).toEqual([
      { action: "<math_exp>18 + 6</math_exp>", observation: "18 + 6 -> 24" },
    ]);
    expect(calls[2]!.view).toMatchObject({ answer: "17", kind: "answer" });
  });

  it("lets the calculator's rule judge see what it can see: the 7 was never given", async () => {
    const judge = ruleJudges.calculator();
    const verdicts = await Promise.all(asCalculatorSteps(steps).map(({ view }) => judge.judge(view)));
    expect(verdicts.map((verdict) => verdict.status === "ok" && verdict.good)).toEqual([true, false, true]);
  });
});
