import { describe, expect, it } from "vitest";
import { processorTime } from "../../tests/support/processor-time.js";
import { answerNumber, bestOver, exactMatch, f1, normalizeAnswer, numericEqual } from "./index.js";

describe("normalizeAnswer", () => {
  it.each([
    ["The  Cat's  Pajamas!", "cats pajamas"],
    ["an U.S.A. theory", "usa theory"],
    ["A-B", "ab"],
    ["Éa an éa", "éa éa"],
    ["the", ""],
    ["“Los Ángeles”… ¿no?", "los ángeles no"],
    ["東京、日本。", "東京日本"],
    ["ＡＢＣ", "abc"],
    ["Cafe\u0301", "café"],
    ["AK-47", "ak47"],
    ["-5", "-5"],
    ["– $5", "-5"],
    ["1.5", "1.5"],
    ["1,000", "1000"],
    ["3:30 p.m.", "3:30 pm"],
    ["1990–1995", "1990-1995"],
    ["10²", "10²"],
  ])("%j is %j", (text, normalized) => {
    expect(normalizeAnswer(text)).toBe(normalized);
  });
});

describe("exactMatch", () => {
  it("ignores case, punctuation, articles and spacing", () => {
    expect(exactMatch(" the Port of  Spain. ", "Port of Spain")).toBe(true);
    expect(exactMatch("Port of Spain, Trinidad", "Port of Spain")).toBe(false);
    expect(exactMatch("", "Port")).toBe(false);
  });

  it.each([
    ["1.5", "15"],
    ["-5", "5"],
    ["−5", "5"],
    ["3:4", "34"],
    ["10²", "102"],
    ["10^2", "102"],
    ["½", "12"],
  ])("tells %j from %j", (prediction, gold) => {
    expect(exactMatch(prediction, gold)).toBe(false);
    expect(exactMatch(prediction, prediction)).toBe(true);
  });

  it("does not match an empty answer with a gold answer that normalizes to nothing", () => {
    expect(exactMatch("", "The The")).toBe(false);
    expect(exactMatch("The The", "The The")).toBe(true);
  });
});

describe("f1", () => {
  it("is the harmonic mean of precision and recall over words", () => {
    expect(f1("Barack Obama", "President Barack Obama")).toBeCloseTo(0.8, 12);
    expect(f1("a b b", "b b c")).toBeCloseTo(2 * ((1 * (2 / 3)) / (1 + 2 / 3)), 12);
    expect(f1("red", "blue")).toBe(0);
    expect(f1("", "blue")).toBe(0);
  });

  it("compares scripts without spaces by character", () => {
    expect(f1("东京都", "东京")).toBeCloseTo(0.8, 12);
    expect(f1("東京 Tower", "東京Tower")).toBe(1);
    expect(f1("กรุงเทพ", "ลาว")).toBeLessThan(0.5);
  });

  it("gives yes and no no partial credit", () => {
    expect(f1("yes it is", "yes")).toBe(0);
    expect(f1("Yes.", "yes")).toBe(1);
  });
});

describe("numericEqual", () => {
  it.each([
    ["18 km", "18", true],
    ["18", "18 km", true],
    ["18 km", "18 kilometers", true],
    ["18km", "18 kilometre", true],
    ["$18", "18 dollars", true],
    ["18 m²", "18 square meters", true],
    ["18 km/h", "18 km per hour", true],
    ["18 apples", "18 pears", true], // what is counted is not compared
    ["18 km", "18 g", false],
    ["18 km", "18000 m", false],
    ["18 m", "18 m^2", false],
    ["18 km", "18 km/h", false],
    ["5 cents", "$5", false],
    ["5¢", "5 dollars", false],
    ["€5", "$5", false],
    ["5 hours", "5 minutes", false],
    ["50%", "50 km", false],
    ["5²", "52", false],
    ["5²", "2", false],
    ["x²", "2", false],
    ["²", "2", false],
  ])("%j and %j: %s", (prediction, gold, equal) => {
    expect(numericEqual(prediction, gold)).toBe(equal);
    expect(numericEqual(gold, prediction)).toBe(equal);
  });

  it.each([
    "10",
    "10.00",
    "$10",
    "10%",
    "10 %",
    "$ 10.0",
    "US$10",
    "10 USD",
    "10 apples",
    "€10",
    "+10",
    "10.",
    " 10\n",
    "The answer is 10.",
    "10 km2",
    "20/2",
    "48 / 2 - 14 = 10",
    "1e1",
    "10 (10 in total)",
    "010",
    "£10 per day",
  ])("%j is 10", (text) => {
    expect(answerNumber(text)).toBe(10);
    expect(numericEqual(text, "10")).toBe(true);
    expect(numericEqual("10", text)).toBe(true);
  });

  it.each([
    ["1,000", 1000],
    ["$1,234,567.50", 1234567.5],
    ["-5", -5],
    ["−5", -5],
    ["-$5", -5],
    ["$-5", -5],
    [".5", 0.5],
    ["3 1/2", 3.5],
    ["1/2", 0.5],
    ["5 million", 5e6],
    ["10k", 10_000],
    ["10km", 10],
    ["2 thousand people", 2000],
    ["1\u00a0000", 1000],
    ["x = 7", 7],
    ["1.5e-3", 0.0015],
    ["CO2: 7 kg", 7],
  ])("%j is %d", (text, value) => {
    expect(answerNumber(text)).toBeCloseTo(value, 12);
  });

  it.each(["", "none", "10 or 11", "10, 11", "1,5", "9:30", "1/0", "H2O", "$", "-", "1.2.3"])(
    "%j is no number",
    (text) => {
      expect(answerNumber(text)).toBeUndefined();
      expect(numericEqual(text, text)).toBe(false);
    },
  );

  it("compares to six digits, not more", () => {
    expect(numericEqual("33.333333333", "33.3333333")).toBe(true);
    expect(numericEqual("33.33", "33.3")).toBe(false);
    expect(numericEqual("1000001", "1000002.5")).toBe(false);
    expect(numericEqual("0.0000001", "0")).toBe(true);
    expect(numericEqual("10000001", "10000002")).toBe(false);
  });

  it("takes a percent sign as left out or written out, never as both", () => {
    expect(numericEqual("50%", "50")).toBe(true);
    expect(numericEqual("50%", "0.5")).toBe(true);
    expect(numericEqual("0.5", "50 percent")).toBe(true);
    expect(numericEqual("50%", "0.5%")).toBe(false);
    expect(numericEqual("50", "0.5")).toBe(false);
    expect(numericEqual("0.5%", "50")).toBe(false);
  });

  it("takes no time on hostile text", () => {
    const before = processorTime();
    for (const text of [
      "1,".repeat(50_000),
      "$".repeat(50_000),
      "-".repeat(50_000),
      "1 ".repeat(50_000),
      "=".repeat(50_000),
    ]) {
      answerNumber(text);
    }
    expect(processorTime() - before).toBeLessThan(500);
  });
});

it("bestOver takes the best of several accepted answers", () => {
  expect(bestOver(["no", "b c", "b"], (gold) => f1("b", gold))).toBe(1);
  expect(bestOver(["x", "10"], (gold) => numericEqual("$10", gold))).toBe(1);
  expect(() => bestOver("72" as never, () => true)).toThrow(/accepted answers are "72", not an array/);
  expect(bestOver([], () => true)).toBe(0);
});
