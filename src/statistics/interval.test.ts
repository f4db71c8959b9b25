import { describe, expect, it } from "vitest";
import { meanInterval, pairedBootstrap, wilsonInterval } from "./interval.js";

describe("wilsonInterval", () => {
  // Worked out from the paper's formula in Python.
  it.each([
    [0, 10, 0, 0.2775327998628892],
    [10, 10, 0.7224672001371107, 1],
    [7, 10, 0.39677814746114537, 0.8922087325936989],
    [165, 300, 0.4934256045239535, 0.6053100983535921],
  ])("%i of %i", (successes, trials, low, high) => {
    const interval = wilsonInterval(successes, trials);
    expect(interval.low).toBeCloseTo(low, 6);
    expect(interval.high).toBeCloseTo(high, 6);
  });

  it("knows nothing from nothing, and refuses what is no count", () => {
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
    for (const [s, n] of [
      [3, 2],
      [-1, 2],
      [0.5, 2],
    ] as const)
      expect(() => wilsonInterval(s, n)).toThrow(/no counts/);
  });

  it("covers the truth about 95 times in 100", () => {
    let state = 1;
    const next = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let covered = 0;
    for (let trial = 0; trial < 2_000; trial++) {
      let successes = 0;
      for (let i = 0; i < 50; i++) successes += next() < 0.3 ? 1 : 0;
      const { low, high } = wilsonInterval(successes, 50);
      if (low <= 0.3 && 0.3 <= high) covered++;
    }
    expect(covered / 2_000).toBeGreaterThan(0.93);
    expect(covered / 2_000).toBeLessThan(0.975);
  });
});

it("meanInterval is the mean and 1.96 standard errors", () => {
  const { mean, low, high } = meanInterval([1, 2, 3, 4]);
  expect(mean).toBe(2.5);
  expect(high - mean).toBeCloseTo(1.959964 * Math.sqrt(5 / 3 / 4), 6);
  expect(mean - low).toBeCloseTo(high - mean, 12);
  expect(meanInterval([1]).high).toBe(Number.POSITIVE_INFINITY);
});

describe("pairedBootstrap", () => {
  const before = Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? 1 : 0));
  const after = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1 : 0));

  it("is close to the normal interval of the differences, and the same for the same seed", () => {
    const result = pairedBootstrap(before, after, { seed: 3 });
    const normal = meanInterval(after.map((value, i) => value - before[i]!));
    expect(result.difference).toBeCloseTo(normal.mean, 12);
    expect(result.low).toBeCloseTo(normal.low, 1);
    expect(result.high).toBeCloseTo(normal.high, 1);
    expect(Math.abs(result.low - normal.low)).toBeLessThan(0.01);
    expect(pairedBootstrap(before, after, { seed: 3 })).toEqual(result);
    const few = (seed: number) => pairedBootstrap(before, after, { seed, resamples: 50 });
    expect(few(4)).not.toEqual(few(5));
  });

  it("pairs: a constant gain has no spread, whatever the questions' own spread", () => {
    const result = pairedBootstrap(
      before,
      before.map((value) => value + 0.1),
    );
    expect(result.low).toBeCloseTo(0.1, 9);
    expect(result.high).toBeCloseTo(0.1, 9);
  });

  it("refuses scores that do not pair up", () => {
    expect(() => pairedBootstrap([1], [1, 2])).toThrow(/do not pair up/);
    expect(() => pairedBootstrap([], [])).toThrow(/do not pair up/);
    expect(() => pairedBootstrap([1], [1], { resamples: 3 })).toThrow(/3 resamples/);
  });
});
