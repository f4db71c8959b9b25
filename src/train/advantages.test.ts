import { describe, expect, it } from "vitest";
import { advantages, EMPTY_RUNNING_BASELINE, updateRunningBaseline } from "./advantages.js";

describe("advantages", () => {
  it("none: the reward itself", () => {
    expect(advantages([[1, 0, undefined]], "none")).toEqual([[1, 0, undefined]]);
  });

  it("group: minus the mean of the state's judged rewards", () => {
    expect(
      advantages(
        [
          [1, 0, 1, undefined, 0],
          [1, 1],
        ],
        "group",
      ),
    ).toEqual([
      [0.5, -0.5, 0.5, undefined, -0.5],
      [0, 0],
    ]);
  });

  it("leave-one-out: minus the mean of the others", () => {
    const [row] = advantages([[1, 0, 0, 0.5]], "leave-one-out");
    expect(row![0]).toBeCloseTo(1 - 0.5 / 3, 12);
    expect(row![1]).toBeCloseTo(0 - 1.5 / 3, 12);
    expect(row![3]).toBeCloseTo(0.5 - 1 / 3, 12);
  });

  it("leave-one-out and group give no advantage to a single judged action", () => {
    expect(advantages([[1, undefined]], "leave-one-out")).toEqual([[undefined, undefined]]);
    expect(advantages([[1]], "group")).toEqual([[undefined]]);
  });

  it("running: the first batch has no baseline, later ones the corrected decayed mean", () => {
    expect(advantages([[1, 0]], "running", EMPTY_RUNNING_BASELINE)).toEqual([[1, 0]]);
    let running = updateRunningBaseline(EMPTY_RUNNING_BASELINE, [[1, 0, undefined]], 0.9);
    expect(advantages([[1]], "running", running)[0]![0]).toBeCloseTo(0.5, 12);
    running = updateRunningBaseline(running, [[1]], 0.9);
    const expected = (0.9 * 0.1 * 0.5 + 0.1 * 1) / (0.9 * 0.1 + 0.1);
    expect(advantages([[1]], "running", running)[0]![0]).toBeCloseTo(1 - expected, 12);
  });

  it("a batch without a verdict leaves the running baseline as it was", () => {
    const running = { mean: 0.3, weight: 0.5 };
    expect(updateRunningBaseline(running, [[undefined]], 0.9)).toBe(running);
  });
});
