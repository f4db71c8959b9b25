import { expect, it } from "vitest";
import { gain, share, table } from "./markdown.js";
import { overSeeds } from "./over-seeds.js";

it("is the mean with Student's interval", () => {
  // deviation √0.00625, over √5 and times 2.776: ± 0.0981
  const { value, low, high, n } = overSeeds([0.4, 0.5, 0.6, 0.45, 0.55]);
  expect(n).toBe(5);
  expect(value).toBeCloseTo(0.5, 12);
  expect(low).toBeCloseTo(0.4018, 3);
  expect(high).toBeCloseTo(0.5982, 3);
});

it("knows nothing of the spread from one seed, and no spread where there is none", () => {
  expect(overSeeds([0.3])).toEqual({ value: 0.3, low: -Infinity, high: Infinity, n: 1 });
  expect(overSeeds([0.3, 0.3, 0.3])).toMatchObject({ low: 0.3, high: 0.3 });
});

it("writes a difference bold exactly where its interval excludes 0", () => {
  expect(gain({ value: 0.051, low: 0.02, high: 0.082, n: 5 })).toBe("**+5.1 [+2.0, +8.2]**");
  expect(gain({ value: -0.051, low: -0.12, high: 0.01, n: 5 })).toBe("−5.1 [−12.0, +1.0]");
  expect(gain({ value: -0.051, low: -0.12, high: -0.01, n: 5 })).toBe("**−5.1 [−12.0, −1.0]**");
  expect(share({ value: 0.5, low: 0.4, high: 0.6, n: 2 })).toBe("50.0 [40.0, 60.0]");
  expect(table(["a", "b"], [["1", "2"]])).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |");
});
