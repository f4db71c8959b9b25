import { describe, expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import { type ComparedRecord, compareEvaluations } from "./compare.js";

const evaluation = (correct: Record<string, boolean | null>, more: Partial<ComparedRecord> = {}) =>
  Object.entries(correct).map(
    ([id, value]): ComparedRecord => ({
      id,
      matcher: "numeric",
      correct: value,
      trajectory: { question: `${id}?` },
      ...more,
    }),
  );
const before = evaluation({ a: true, b: false, c: false, d: true, e: null });

function refusal(...input: Parameters<typeof compareEvaluations>): SwirlError {
  try {
    compareEvaluations(...input);
  } catch (error) {
    if (SwirlError.isInstance(error)) return error;
  }
  throw new Error("not refused");
}

describe("compareEvaluations", () => {
  it("pairs by id and counts only what both could check", () => {
    const after = evaluation({ e: true, d: false, c: true, b: true, a: true });
    const result = compareEvaluations(before, after);
    expect(result).toMatchObject({
      questions: 4,
      before: { value: 0.5, n: 4 },
      after: { value: 0.75, n: 4 },
      difference: { value: 0.25, n: 4 },
      gained: ["b", "c"],
      lost: ["d"],
      bothRight: 1,
      bothWrong: 0,
      unchecked: 1,
      onlyBefore: 0,
      onlyAfter: 0,
    });
    expect(result.difference.low).toBeLessThan(0);
    expect(result.difference.high).toBeGreaterThan(0.25);
    const back = compareEvaluations(after, before);
    expect(back.difference.value).toBe(-0.25);
    expect([back.gained, back.lost]).toEqual([["d"], ["c", "b"]]);
  });

  it("has an interval that excludes 0 where 40 of 100 changed one way", () => {
    const ids = Array.from({ length: 100 }, (_, i) => `q${i}`);
    const was = evaluation(Object.fromEntries(ids.map((id, i) => [id, i < 20])));
    const is = evaluation(Object.fromEntries(ids.map((id, i) => [id, i < 60])));
    const { difference } = compareEvaluations(was, is);
    expect(difference.low).toBeGreaterThan(0.25);
    expect(difference.high).toBeLessThan(0.55);
    expect(compareEvaluations(was, was).difference).toMatchObject({ value: 0 });
  });

  it("refuses questions that do not pair up, with numbers", () => {
    const fewer = evaluation({ a: true, b: true, f: true });
    expect(refusal(before, fewer)).toMatchObject({
      code: "INPUT",
      message: expect.stringMatching(/first evaluation has 5 questions, the second 3, and 2 are in both/),
    });
    expect(compareEvaluations(before, fewer, { common: true })).toMatchObject({
      questions: 2,
      onlyBefore: 3,
      onlyAfter: 1,
    });
    expect(refusal(before, evaluation({ x: true }), { common: true }).message).toMatch(/0 are in both/);
    expect(refusal(before, []).message).toMatch(/second evaluation has no questions/);
  });

  it("refuses equal ids of other questions, other matchers, repeated ids, and nothing checked", () => {
    const other = evaluation(
      { a: true, b: true, c: true, d: true, e: true },
      { trajectory: { question: "?" } },
    );
    expect(refusal(before, other).message).toMatch(/5 of 5 ids name another question.*a, b, c, …/);
    const exact = evaluation({ a: true, b: true, c: true, d: true, e: true }, { matcher: "exact" });
    expect(refusal(before, exact).message).toMatch(/numeric and exact/);
    expect(refusal([...before, ...before], before).message).toMatch(/a appears twice in the first/);
    expect(refusal(evaluation({ a: null }), evaluation({ a: true })).message).toMatch(/none of 1 questions/);
    expect(refusal(before, before, { comon: true } as object).message).toMatch(/did you mean common/);
  });
});
