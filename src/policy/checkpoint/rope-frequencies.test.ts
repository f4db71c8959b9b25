import { expect, it } from "vitest";
import { ropeInverseFrequencies } from "./rope-frequencies.js";

it("gives base^(-2i / headDim)", () => {
  expect([...ropeInverseFrequencies(8, 100, { type: "default" })]).toEqual([
    1,
    1 / 100 ** 0.25,
    1 / 100 ** 0.5,
    1 / 100 ** 0.75,
  ]);
});

it("divides all by a linear factor", () => {
  const plain = ropeInverseFrequencies(16, 5000, { type: "default" });
  const linear = ropeInverseFrequencies(16, 5000, { type: "linear", factor: 4 });
  expect([...linear]).toEqual([...plain].map((f) => f / 4));
});

it("keeps, interpolates and divides by wavelength as Llama 3.1 does", () => {
  // Wavelengths 6.3, 19.9, 62.8, 198.7 against the bounds 64 / 4 = 16 and 64 / 1 = 64.
  const scaled = ropeInverseFrequencies(8, 100, {
    type: "llama3",
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalPositions: 64,
  });
  const plain = ropeInverseFrequencies(8, 100, { type: "default" });
  expect(scaled[0]).toBe(plain[0]);
  expect(scaled[3]).toBe(plain[3]! / 8);
  for (const pair of [1, 2]) {
    const kept = ((64 * plain[pair]!) / (2 * Math.PI) - 1) / 3;
    expect(scaled[pair]).toBeCloseTo(plain[pair]! * (kept + (1 - kept) / 8), 15);
  }
});
