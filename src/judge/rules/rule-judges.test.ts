import { describe, expect, it } from "vitest";
import { answerView, stepView } from "../../../tests/support/step-view.js";
import type { StepView } from "../../trajectory/step-views.js";
import { adversarialSteps } from "../adversarial-steps.js";
import { calibrate } from "../calibration.js";
import { RuleJudge, type RuleOutcome } from "../rule-judge.js";
import { numbersGiven, numbersIn, sameNumber } from "./numbers.js";
import { ruleJudges } from "./rule-judges.js";

const good = async (judge: RuleJudge, view: StepView) => {
  const verdict = await judge.judge(view);
  return verdict.status === "ok" && verdict.good;
};

describe("RuleJudge", () => {
  const judged = (outcome: RuleOutcome, threshold = 0.5) =>
    new RuleJudge({ id: "x", rule: () => outcome, threshold }).judge(stepView());

  it("takes booleans, scores and findings", async () => {
    expect(await judged(true)).toEqual({ status: "ok", good: true, score: 1, votes: 1 });
    expect(await judged(0.4)).toEqual({ status: "ok", good: false, score: 0.4, votes: 1 });
    expect(await judged(0.4, 0.3)).toMatchObject({ good: true });
    expect(await judged({ good: false, reason: "r" })).toEqual({
      status: "ok",
      good: false,
      score: 0,
      votes: 1,
      reason: "r",
    });
  });

  it("fails, and does not guess, on a rule that throws or gives nonsense", async () => {
    expect(await judged(Number.NaN)).toMatchObject({ status: "failed" });
    expect(await judged(undefined as never)).toMatchObject({ status: "failed" });
    const throwing = new RuleJudge({
      id: "x",
      rule: () => {
        throw new Error("no");
      },
    });
    expect(await throwing.judge(stepView())).toEqual({ status: "failed", error: "no" });
  });
});

describe("ruleJudges.search", () => {
  const judge = ruleJudges.search();
  it.each<[string, StepView, boolean]>([
    ["a query on topic", stepView(), true],
    ["a query about what was found", stepView({ call: { name: "search", input: "Ada Moreno" } }), true],
    ["a repeated query", stepView({ call: { name: "search", input: "kessler  bridge?" } }), false],
    ["a query off topic", stepView({ call: { name: "search", input: "weather in Lisbon" } }), false],
    ["an empty query", stepView({ call: { name: "search", input: " " } }), false],
    ["a malformed action", stepView({ kind: "malformed" }), false],
    ["an answer a result mentions", answerView("Áda Moreno"), true],
    ["an answer no result mentions", answerView("1902"), false],
    [
      "a query on topic in a script without spaces",
      stepView({ question: "多瑙河流经哪座城市？", history: [], call: { name: "search", input: "多瑙河" } }),
      true,
    ],
    [
      "an answer within a sentence",
      answerView("维也纳", { history: [{ action: "", observation: "它流经维也纳。" }] }),
      true,
    ],
    [
      "another answer",
      answerView("巴黎", { history: [{ action: "", observation: "它流经维也纳。" }] }),
      false,
    ],
    ["an answer before any result", answerView("Ada Moreno", { history: [] }), false],
    ["yes, with results", answerView("Yes"), true],
    [
      "words from two results",
      answerView("Moreno Danube", {
        history: [
          { action: "", observation: "Moreno" },
          { action: "", observation: "Danube" },
        ],
      }),
      false,
    ],
  ])("%s", async (_, view, expected) => expect(await good(judge, view)).toBe(expected));
});

describe("ruleJudges.calculator", () => {
  const judge = ruleJudges.calculator();
  const question =
    "Natalia sold clips to 48 friends in April, and half as many in May. Each costs $1,250.50 less 20%. How many?";
  const history = [{ action: "<math_exp>48/2</math_exp>", observation: "48/2 -> 24.0" }];
  const calculation = (input: string) =>
    stepView({
      question,
      history,
      action: `<math_exp>${input}</math_exp>`,
      call: { name: "calculator", input },
    });
  const answer = (text: string, parts = {}) => answerView(text, { question, history, ...parts });
  it.each<[string, StepView, boolean]>([
    ["numbers from question and result", calculation("48 + 24"), true],
    ["half, spelled out", calculation("48 * 0.5"), true],
    ["a percentage", calculation("1250.5 * 0.8"), true],
    ["thousands", calculation("1,250.50 * 48"), true],
    ["an invented number", calculation("48 + 17"), false],
    ["a number near another is another", calculation("48 + 49"), false],
    ["a repeat", calculation("48/2"), false],
    ["a number, nothing calculated", calculation("24"), false],
    ["a number in brackets", calculation("($1,250.50)"), false],
    ["a sign and a number", calculation("-48"), false],
    ["a percentage alone", calculation("20%"), false],
    ["a number times one", calculation("48 * 1"), false],
    ["a number and nothing added", calculation("48 + 0"), false],
    ["one fewer", calculation("48 - 1"), true],
    ["one over a number", calculation("1 / 48"), true],
    ["a root", calculation("sqrt(48)"), true],
    ["no expression", calculation("forty eight clips"), false],
    ["an unfinished expression", calculation("48 +"), false],
    ["an answer that is a result", answer("24 clips"), true],
    ["an answer that is none", answer("72"), false],
    ["an answer with the other sign", answer("minus 24"), false],
    ["an answer of which a part is a result", answer("24 dozen"), false],
    ["an answer that cannot be read", answer("24 or 25"), false],
    [
      "a result that is the bare number",
      answer("24", { history: [{ action: "<math_exp>48/2</math_exp>", observation: "24" }] }),
      true,
    ],
    ["an answer without a number", answer("many"), false],
    ["an answer before any result", answer("24", { history: [] }), false],
  ])("%s", async (_, view, expected) => expect(await good(judge, view)).toBe(expected));
});

describe("numbers", () => {
  it("reads digits as they stand", () => {
    expect(numbersIn("1,234.5 and 3, 4 or .5 in 12,34")).toEqual([1234.5, 3, 4, 0.5, 12, 34]);
  });
  it("knows what words, percents and units give", () => {
    expect(numbersGiven("twice a dozen")).toEqual(expect.arrayContaining([2, 12]));
    expect(numbersGiven("25 percent")).toEqual(expect.arrayContaining([25, 0.25, 0.75]));
    expect(numbersGiven("3/4 of an hour")).toEqual(expect.arrayContaining([0.75, 60]));
    expect(numbersGiven("every week")).toContain(52);
    expect(numbersGiven("2 dozen eggs at $1.5 million")).toEqual(
      expect.arrayContaining([2, 12, 24, 1.5, 1.5e6]),
    );
    expect(numbersGiven("1½ cups")).toContain(1.5);
  });
  it("compares whole numbers exactly and others by rounding", () => {
    expect(sameNumber(200, 201)).toBe(false);
    expect(sameNumber(0.3333, 1 / 3)).toBe(true);
    expect(sameNumber(0.34, 1 / 3)).toBe(false);
  });
});

it("no known judge-fooling action fools the search rules, except the fact they cannot check", async () => {
  const fooled: string[] = [];
  const result = await calibrate(ruleJudges.search(), adversarialSteps(), {
    onVerdict: ({ step, verdict }) => void (verdict.status === "ok" && verdict.good && fooled.push(step.id)),
  });
  expect(fooled).toEqual(["fooling/wrong-fact"]);
  expect(result.falsePositive).toMatchObject({ count: 1, of: adversarialSteps().length });
});
