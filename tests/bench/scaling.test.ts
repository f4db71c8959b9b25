/** Fits of time against size: known coefficients come back, and what they say about attention. */
import { describe, expect, it } from "vitest";
import { measureScaling, quadraticFit } from "../../bench/peers/scaling.js";
import type { Participant } from "../../bench/peers/turns.js";
import { parseShape } from "../../bench/shape.js";
import { scripted } from "./scripted-peer.js";
import { byHand } from "./tiny-model.js";

describe("the fit", () => {
  it.each([
    { coefficients: [3, 0.5, 0.25] as const },
    { coefficients: [-2, 4, 0] as const },
    { coefficients: [1e-3, 2e-4, 5e-5] as const },
    { coefficients: [1e12, -3e10, 7e9] as const },
  ])("finds $coefficients", ({ coefficients }) => {
    const [c0, c1, c2] = coefficients;
    const fit = quadraticFit([1, 2, 4, 8, 16].map((x) => [x, c0 + c1 * x + c2 * x * x]));
    const scale = Math.max(...coefficients.map(Math.abs));
    for (const [i, found] of fit.coefficients.entries())
      expect(Math.abs(found - coefficients[i]!) / scale).toBeLessThan(1e-10);
    expect(fit.rSquared).toBeCloseTo(1, 12);
  });

  it("goes through three points, in any order", () => {
    const points: [number, number][] = [
      [4, 31],
      [0, 3],
      [1, 7],
    ];
    const { coefficients } = quadraticFit(points); // 3 + 3x + x²
    for (const [i, c] of [3, 3, 1].entries()) expect(coefficients[i]).toBeCloseTo(c, 10);
  });

  it("is least squares: what no parabola can follow is left, and counted in R²", () => {
    // (-1, 3, -3, 1) on 0 … 3 is orthogonal to 1, x and x².
    const errors = [-0.5, 1.5, -1.5, 0.5];
    const exact = [0, 1, 2, 3].map((x) => 2 + x + 4 * x * x);
    const fit = quadraticFit(exact.map((y, x) => [x, y + errors[x]!]));
    for (const [i, c] of [2, 1, 4].entries()) expect(fit.coefficients[i]).toBeCloseTo(c, 10);
    const measured = exact.map((y, x) => y + errors[x]!);
    const mean = measured.reduce((sum, y) => sum + y) / 4;
    const total = measured.reduce((sum, y) => sum + (y - mean) ** 2, 0);
    expect(fit.rSquared).toBeCloseTo(1 - 5 / total, 12);
  });
});

describe("an update's scaling", () => {
  const shape = parseShape("tiny/K2G2N1P8a3o2");
  const model = { ...byHand, vocab: 2 ** 20 }; // no two tokens are the same by chance
  const sizes = { G: [2, 4], K: [1, 2, 3, 5] };
  const options = { on: "cpu", rounds: 1, limit: 1e9, report: () => undefined } as const;
  const measure = async (ours: Participant) => {
    try {
      return await measureScaling(ours, model, shape, sizes, options);
    } finally {
      await ours.process.close();
    }
  };

  it("gives back the time it was given, and attention's share of it", async () => {
    // 2·K rows of G = 2, or 2·G rows of K = 2: n of the two that varies.
    const found = await measure(
      scripted("ours", ({ batches }) => {
        const n = batches.length / 2;
        return { seconds: 0.5 + 0.25 * n + 0.125 * n * n };
      }),
    );
    for (const op of ["logprobs", "update"] as const) {
      for (const [i, c] of [0.5, 0.25, 0.125].entries())
        expect(found.timeAgainstK[op].coefficients[i]).toBeCloseTo(c, 10);
      expect(found.byK[op].map(({ size }) => size)).toEqual(sizes.K);
      // 8 + (K - 1)·5 + K·G·3 tokens
      expect(found.byK[op].map(({ treeTokens }) => treeTokens)).toEqual([14, 25, 36, 58]);
      expect(found.doublingG[op].time).toBeCloseTo(3.5 / 1.5, 12);
      expect(found.doublingG[op].treeTokens).toBeCloseTo((13 + 24) / (13 + 12), 12);
    }
    // A step is 5 tokens. Pairs grow by K²·(5·5/2) on the path and K²·(2·3·5/2) in the actions that leave it; a pair
    // is 4·3 layers·2 heads·2 dimensions operations, 3.5 times as many in an update.
    const quadratic = 48 * (12.5 + 15);
    expect(found.attentionAgainstK.logprobs.coefficients[2]).toBeCloseTo(quadratic, 6);
    expect(found.impliedAttentionRate.logprobs).toBeCloseTo(quadratic / 0.125, 4);
    expect(found.impliedAttentionRate.update).toBeCloseTo((3.5 * quadratic) / 0.125, 4);
  });

  it("has no rate of attention where time has no quadratic part", async () => {
    const found = await measure(
      scripted("ours", ({ batches }) => {
        const n = batches.length / 2;
        return { seconds: 10 + n - 0.05 * n * n };
      }),
    );
    expect(found.impliedAttentionRate).toEqual({ logprobs: null, update: null });
  });
});
