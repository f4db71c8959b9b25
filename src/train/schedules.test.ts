import { describe, expect, it } from "vitest";
import { learningRate, type ScheduleOptions } from "./schedules.js";

const base: ScheduleOptions = { lr: 1e-3, schedule: "constant", warmupSteps: 4, totalSteps: 14, floor: 0.1 };

describe("learningRate", () => {
  it("warms up to lr and never starts at zero", () => {
    expect([0, 1, 2, 3].map((s) => learningRate(s, base) / 1e-3)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(learningRate(13, base)).toBe(1e-3);
  });

  it("linear falls to the floor", () => {
    const options = { ...base, schedule: "linear" as const };
    expect(learningRate(4, options)).toBeCloseTo(1e-3, 12);
    expect(learningRate(9, options)).toBeCloseTo(1e-3 * 0.55, 12);
    expect(learningRate(14, options)).toBeCloseTo(1e-4, 12);
  });

  it("cosine is half way at half time and monotone", () => {
    const options = { ...base, schedule: "cosine" as const };
    expect(learningRate(9, options)).toBeCloseTo(1e-3 * 0.55, 12);
    for (let s = 5; s < 14; s++) expect(learningRate(s, options)).toBeLessThan(learningRate(s - 1, options));
  });

  it("stays finite when all steps are warm-up", () => {
    expect(learningRate(4, { ...base, schedule: "cosine", totalSteps: 4 })).toBeCloseTo(1e-3, 12);
  });
});
