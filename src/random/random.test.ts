import { describe, expect, it } from "vitest";
import { createRandom, normal } from "./random.js";

const draws = (seed: number, label: string, count = 5) => {
  const random = createRandom(seed, label);
  return Array.from({ length: count }, () => random.next());
};

describe("createRandom", () => {
  it("is a function of seed and label, of all 53 bits of the seed", () => {
    expect(draws(1, "a")).toEqual(draws(1, "a"));
    const streams = [draws(1, "a"), draws(2, "a"), draws(1, "b"), draws(2 ** 32 + 1, "a"), draws(0, "a")];
    expect(new Set(streams.map(String)).size).toBe(streams.length);
  });

  it("is uniform: every bin of a hundred gets its share", () => {
    const bins = new Array<number>(100).fill(0);
    for (const value of draws(3, "uniform", 100_000)) bins[Math.floor(100 * value)]!++;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(150); // 99 degrees of freedom: one in a thousand lies above 148
    expect(chiSquare).toBeGreaterThan(55);
  });

  it("draws integers with both ends, picks, and shuffles without loss", () => {
    const random = createRandom(4, "draws");
    const integers = Array.from({ length: 500 }, () => random.integer(-1, 2));
    expect([...new Set(integers)].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = random.shuffle(items);
    expect(shuffled).not.toEqual(items);
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
    expect(items).toContain(random.pick(items));
  });

  it("gives standard normal draws", () => {
    const random = createRandom(5, "normal");
    const values = Array.from({ length: 50_000 }, () => normal(random));
    const moment = (power: number) => values.reduce((sum, x) => sum + x ** power, 0) / values.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.02);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.03);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2);
    expect(values.every(Number.isFinite)).toBe(true);
  });
});
