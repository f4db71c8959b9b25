import { describe, expect, it } from "vitest";
import { completionMetrics, rewardMetrics } from "./reward-metrics.js";

describe("rewardMetrics", () => {
  it("averages the deviation within states", () => {
    const metrics = rewardMetrics([
      [1, 0, undefined],
      [1, 1, 1],
      [0, undefined, undefined],
    ]);
    expect(metrics.reward).toBeCloseTo(4 / 6, 12);
    expect(metrics.reward_std).toBeCloseTo(Math.SQRT1_2 / 2, 12); // (0.7071 + 0) / 2
    expect(metrics.frac_reward_zero_std).toBe(0.5);
  });

  it("with one sample per state takes the deviation over the batch", () => {
    const metrics = rewardMetrics([[1], [0]]);
    expect(metrics.reward_std).toBeCloseTo(Math.SQRT1_2, 12);
    expect(metrics).not.toHaveProperty("frac_reward_zero_std");
  });

  it("leaves out what does not exist", () => {
    expect(rewardMetrics([[undefined, undefined]])).toEqual({});
    expect(rewardMetrics([[1]])).toEqual({ reward: 1 });
  });
});

it("completionMetrics", () => {
  expect(
    completionMetrics([
      { length: 4, clipped: false },
      { length: 10, clipped: true },
    ]),
  ).toEqual({
    "completions/mean_length": 7,
    "completions/min_length": 4,
    "completions/max_length": 10,
    "completions/clipped_ratio": 0.5,
  });
});
