import { describe, expect, it } from "vitest";
import { groupedShareInterval, meanInterval, pairedBootstrap, wilsonInterval } from "./interval.js";

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
      expect(() => wilsonInterval(s, n)).toThrow(/not counts/);
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

describe("groupedShareInterval", () => {
  const of = (...groups: [number, number][]) =>
    groupedShareInterval(groups.map(([successes, trials]) => ({ successes, trials })));

  it("is Wilson's over groups where no variance is seen: 0 of 8 and 8 of 8 have a width", () => {
    const none = Array.from({ length: 8 }, (): [number, number] => [0, 3]);
    expect(of(...none)).toEqual({ share: 0, ...wilsonInterval(0, 8) });
    expect(of(...none.map(([, n]): [number, number] => [n, n]))).toEqual({
      share: 1,
      ...wilsonInterval(8, 8),
    });
    expect(of([1, 2], [1, 2], [1, 2]).low).toBeCloseTo(0.1253, 3); // Wilson, 1.5 of 3
    expect(of([0, 4])).toMatchObject({ low: 0, high: wilsonInterval(0, 1).high });
    expect(of()).toMatchObject({ low: 0, high: 1 });
  });

  it("covers the truth about 95 times in 100, few or many groups, alike or not within them", () => {
    let state = 7;
    const next = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    for (const [count, size, alike] of [
      [8, 4, 0.8],
      [30, 4, 0.8],
      [30, 4, 0],
    ] as const) {
      let covered = 0;
      for (let trial = 0; trial < 1_000; trial++) {
        const groups = Array.from({ length: count }, () => {
          const common = next() < 0.3;
          const good = Array.from({ length: size }, () => (next() < alike ? common : next() < 0.3));
          return { successes: good.filter(Boolean).length, trials: size };
        });
        const { low, high } = groupedShareInterval(groups);
        if (low <= 0.3 && 0.3 <= high) covered++;
      }
      expect(covered / 1_000).toBeGreaterThan(0.93);
    }
  });
});

describe("pairedBootstrap", () => {
  it("has a width where few pairs show no difference", () => {
    const zeros = Array.from({ length: 8 }, () => 0);
    const { difference, low, high } = pairedBootstrap(zeros, zeros);
    // Bonett and Price: 1.96 · √(0.2 / 10)
    expect([difference, low, high]).toEqual([0, expect.closeTo(-0.2772, 3), expect.closeTo(0.2772, 3)]);
  });

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
