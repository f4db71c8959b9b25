import { describe, expect, it } from "vitest";
import { nextSeed, permutation, philox, seedFor, uint64, uniform } from "./counter-random.js";

describe("philox", () => {
  // Known answers published with the Random123 library (kat_vectors, philox4x32 10).
  it("gives the published answers", () => {
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const ones = 0xffffffff;
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ]);
    expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });
});

describe("draws", () => {
  it("depend on every part of the counter and on all of the seed", () => {
    const base = { stream: 1, step: 2, item: 3 };
    const draws = [
      uint64(7, base),
      uint64(8, base),
      uint64(7 + 2 ** 32, base),
      uint64(7, { ...base, stream: 2 }),
      uint64(7, { ...base, step: 3 }),
      uint64(7, { ...base, item: 4 }),
    ];
    expect(new Set(draws).size).toBe(draws.length);
    expect(uint64(7, base)).toBe(draws[0]);
  });

  it("are uniform", () => {
    const bins = new Array<number>(10).fill(0);
    const n = 20_000;
    for (let item = 0; item < n; item++) {
      const u = uniform(42, { stream: 0, step: 0, item });
      expect(u >= 0 && u < 1).toBe(true);
      bins[Math.floor(u * 10)]!++;
    }
    const chiSquare = bins.reduce((sum, count) => sum + (count - n / 10) ** 2 / (n / 10), 0);
    expect(chiSquare).toBeLessThan(27.9); // 99.9 % quantile, 9 degrees of freedom
  });

  it("make safe seeds", () => {
    for (let item = 0; item < 1000; item++) {
      expect(Number.isSafeInteger(seedFor(2 ** 40, { stream: 2, step: 1, item }))).toBe(true);
    }
  });
});

it("seeds that follow one another differ, up to the largest there is", () => {
  for (const seed of [0, 2 ** 32, Number.MAX_SAFE_INTEGER - 2, Number.MAX_SAFE_INTEGER]) {
    const seeds = Array.from({ length: 8 }, (_, j) => nextSeed(seed, j));
    expect(new Set(seeds).size).toBe(8);
    expect(seeds.every(Number.isSafeInteger)).toBe(true);
    expect(seeds[0]).toBe(seed);
  }
});

describe("permutation", () => {
  it("holds every index once and changes with the epoch", () => {
    const first = permutation(100, 3, 1, 0);
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...permutation(100, 3, 1, 0)]).toEqual([...first]);
    expect([...permutation(100, 3, 1, 1)]).not.toEqual([...first]);
  });

  it("puts every item first equally often", () => {
    const counts = new Array<number>(5).fill(0);
    for (let epoch = 0; epoch < 5000; epoch++) counts[permutation(5, 1, 1, epoch)[0]!]!++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(18.5); // 99.9 % quantile, 4 degrees of freedom
  });
});
