import { expect, it } from "vitest";
import { samplerMismatch } from "./sampler-mismatch.js";

const current = Float32Array.of(-1, -2, -0.5);
const actions = [
  { current, sampler: Float32Array.of(-1, -4, -1) }, // the policy has e^2.5 of the sampler's probability
  { current, sampler: Float32Array.of(-1, -2, -0.5) },
];

it("reports differences per token, and ratios and masks as the correction takes them", () => {
  const whole = samplerMismatch(actions, { mode: "sequence_mask", clipMax: 3, clipMin: 0 })!;
  expect(whole["sampling/sampling_logp_difference/mean"]).toBeCloseTo(2.5 / 6, 6);
  expect(whole["sampling/sampling_logp_difference/max"]).toBeCloseTo(2, 6);
  expect(whole["sampling/importance_sampling_ratio/max"]).toBeCloseTo(Math.exp(2.5), 4);
  expect(whole["sampling/importance_sampling_ratio/min"]).toBe(1);
  expect(whole["sampling/importance_sampling_ratio/mean"]).toBeCloseTo((1 + Math.exp(2.5)) / 2, 4);
  expect(whole["sampling/corrected_away"]).toBe(0.5); // all three tokens of the first action
  const tokens = samplerMismatch(actions, { mode: "token_mask", clipMax: 3, clipMin: 0 })!;
  expect(tokens["sampling/importance_sampling_ratio/max"]).toBeCloseTo(Math.exp(2), 4);
  expect(tokens["sampling/corrected_away"]).toBeCloseTo(1 / 6, 6);
  expect(samplerMismatch([], { mode: "token_mask", clipMax: 3, clipMin: 0 })).toBeUndefined();
});
