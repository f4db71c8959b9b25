import { describe, expect, it, test } from "vitest";
import { stepView } from "../../tests/support/step-view.js";
import { combinedJudge } from "./combined-judge.js";
import type { Judge, Verdict } from "./judge.js";

const good = (score = 1): Verdict => ({ status: "ok", good: true, score, votes: 1, reason: `good ${score}` });
const bad = (score = 0): Verdict => ({ status: "ok", good: false, score, votes: 1, reason: `bad ${score}` });
const failed: Verdict = { status: "failed", error: "no reply" };

/** A judge that always says this, and counts how often it is asked. */
function saying(verdict: Verdict, id = "one/1"): Judge & { asked: number } {
  return {
    id,
    asked: 0,
    async judge() {
      this.asked++;
      return verdict;
    },
  };
}

describe("all", () => {
  it.each<[string, Verdict[], Verdict]>([
    ["all good: the lowest score", [good(0.9), good(0.6), good(0.8)], good(0.6)],
    ["one bad", [good(0.9), bad(0.3)], bad(0.3)],
    ["bad decides, whatever failed before it", [failed, bad(0.1)], bad(0.1)],
    ["good and failed: unknown", [good(), failed], failed],
  ])("%s", async (_, verdicts, expected) => {
    const judge = combinedJudge({ judges: verdicts.map((verdict) => saying(verdict)) });
    expect(await judge.judge(stepView())).toEqual(expected);
  });

  it("does not ask the judges behind the one that decides", async () => {
    const judges = [saying(good()), saying(bad()), saying(good())];
    await combinedJudge({ judges }).judge(stepView());
    expect(judges.map(({ asked }) => asked)).toEqual([1, 1, 0]);
  });
});

describe("any", () => {
  it.each<[string, Verdict[], Verdict]>([
    ["one good", [bad(0.2), good(0.7)], good(0.7)],
    ["good decides, whatever failed before it", [failed, good()], good()],
    ["all bad: the highest score", [bad(0.1), bad(0.4), bad(0.2)], bad(0.4)],
    ["bad and failed: unknown", [bad(), failed], failed],
  ])("%s", async (_, verdicts, expected) => {
    const judge = combinedJudge({ require: "any", judges: verdicts.map((verdict) => saying(verdict)) });
    expect(await judge.judge(stepView())).toEqual(expected);
  });
});

describe("mean", () => {
  it("weighs the scores and compares the mean with the threshold", async () => {
    const judges = [saying(good(1)), saying(bad(0.2))];
    const of = (weights: number[], threshold?: number) =>
      combinedJudge({ judges, require: "mean", weights, threshold }).judge(stepView());
    expect(await of([1, 1])).toMatchObject({ good: true, score: 0.6, votes: 2, reason: "good 1" });
    expect(await of([1, 3])).toMatchObject({
      good: false,
      score: expect.closeTo(0.4, 12),
      reason: "bad 0.2",
    });
    expect(await of([1, 1], 0.7)).toMatchObject({ good: false });
  });

  it("fails with one failed verdict", async () => {
    const judges = [saying(good()), saying(failed)];
    expect(await combinedJudge({ judges, require: "mean" }).judge(stepView())).toEqual(failed);
  });
});

test("the id names every judge, the rule and the weights: another combination is another judge", () => {
  const judges = [saying(good(), "form/1"), saying(good(), "model/2")];
  const ids = [
    combinedJudge({ judges }).id,
    combinedJudge({ judges, require: "any" }).id,
    combinedJudge({ judges, require: "mean" }).id,
    combinedJudge({ judges, require: "mean", weights: [1, 2] }).id,
    combinedJudge({ judges, require: "mean", threshold: 0.7 }).id,
    combinedJudge({ judges: [...judges].reverse() }).id,
  ];
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/form\/1.*|model\/2.*/);
});

test.each([
  [{ judges: [saying(good())] }, /judges/],
  [{ judges: [saying(good()), saying(good())], weights: [1, 1] }, /weights.*no effect/],
  [{ judges: [saying(good()), saying(good())], threshold: 0.6 }, /threshold.*no effect/],
  [{ judges: [saying(good()), saying(good())], require: "mean", weights: [1] }, /1 numbers for 2 judges/],
  [{ judges: [saying(good()), saying(good())], require: "mean", weights: [1, 0] }, /weights/],
])("refuses options that contradict each other: %#", (options, message) => {
  expect(() => combinedJudge(options as never)).toThrow(message);
});
