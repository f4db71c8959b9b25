import { describe, expect, it } from "vitest";
import { advantages } from "./advantages.js";
import { outcomeCredit, returnsToGo } from "./credit.js";
import { overlongPenalty } from "./overlong.js";
import { scaleAdvantages, whiten } from "./scale-rewards.js";

const rewards = [
  [1, 0, undefined, 0.5],
  [1, 1, 1, 1],
];

describe("scaleAdvantages", () => {
  const centered = advantages(rewards, "group");
  it("divides by the group's or the batch's deviation, as TRL does; failed judgments count in neither", () => {
    expect(scaleAdvantages(centered, rewards, "group")).toEqual([
      [0.5 / (0.5 + 1e-4), -0.5 / (0.5 + 1e-4), undefined, 0],
      [0, 0, 0, 0],
    ]);
    const all = Math.sqrt(
      (6 * (1 - 5.5 / 7) ** 2 - (1 - 5.5 / 7) ** 2 + (0.5 - 5.5 / 7) ** 2 + (5.5 / 7) ** 2) / 6,
    );
    expect(scaleAdvantages(centered, rewards, "batch")[0]![0]).toBeCloseTo(0.5 / (all + 1e-4), 12);
    expect(scaleAdvantages(centered, rewards, "none")).toEqual(centered);
  });
});

describe("REINFORCE++", () => {
  const lengths = [
    [2, 1, 9, 1],
    [1, 3, 1, 1],
  ];
  it("has mean 0 and deviation 1 over the tokens of the batch", () => {
    for (const baseline of ["reinforce++", "reinforce++_baseline"] as const) {
      const table = whiten(advantages(rewards, baseline), lengths);
      const tokens = table.flatMap((row, i) =>
        row.flatMap((A, j) => (A === undefined ? [] : new Array<number>(lengths[i]![j]!).fill(A))),
      );
      expect(tokens).toHaveLength(10);
      expect(tokens.reduce((a, b) => a + b)).toBeCloseTo(0, 10);
      expect(tokens.reduce((a, b) => a + b * b, 0) / 9).toBeCloseTo(1, 6);
      expect(table[0]![2]).toBeUndefined();
    }
    // The second state's actions equal their baseline: they are at the batch's mean.
    const [first] = whiten(advantages(rewards, "reinforce++_baseline"), lengths)[1]!;
    expect(first).toBeLessThan(0);
  });
  it("is 0 where all rewards are the same", () => {
    expect(whiten([[1, 1]], [[3, 4]])).toEqual([[0, 0]]);
    expect(whiten([[1]], [[1]])).toEqual([[0]]);
  });
});

describe("credit", () => {
  it("discounts later rewards, and is unknown if any of them is", () => {
    expect(returnsToGo([1, 0, 1], 0.5)).toEqual([1.25, 0.5, 1]);
    expect(returnsToGo([1, undefined, 1], 0.5)).toEqual([undefined, undefined, 1]);
  });
  it("distributes an outcome over steps", () => {
    expect([0, 1, 2].map((step) => outcomeCredit(1, step, 3, "equal", 0.5))).toEqual([1, 1, 1]);
    expect([0, 1, 2].map((step) => outcomeCredit(1, step, 3, "discounted", 0.5))).toEqual([0.25, 0.5, 1]);
  });
});

it("overlong actions lose up to the penalty", () => {
  const at = (length: number) => overlongPenalty(length, 100, { buffer: 20, penalty: 0.5 });
  expect([at(10), at(80), at(90), at(100)]).toEqual([0, 0, -0.25, -0.5]);
});
