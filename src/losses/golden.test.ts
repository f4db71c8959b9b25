/**
 * Every loss and gradient against TRL's own code and verl's formulas: tests/golden/losses, made by
 * scripts/golden/rl_losses.py.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Aggregation } from "./aggregation.js";
import { cispo } from "./cispo.js";
import { dppoKl, dppoTv } from "./dppo.js";
import { klEstimate } from "./kl.js";
import type { LossFunction, LossSequence } from "./loss-function.js";
import {
  type LossName,
  lossDefinition,
  lossFunction,
  type NamedLossOptions,
  namedLoss,
} from "./named-losses.js";
import { ppoClip } from "./ppo-clip.js";
import { sumOverTokens } from "./token-terms.js";

type Rows = number[][];
interface Golden {
  rows: Record<"logps" | "old" | "reference" | "sampler" | "mask", Rows> & { advantages: number[] };
  maxLength: number;
  cases: { name: string; loss: number; gradient: Rows }[];
}

const read = (name: string) => JSON.parse(readFileSync(`tests/golden/losses/${name}.json`, "utf8")) as Golden;
const trl = read("trl");
const verl = read("verl");

function sequences({ rows }: Golden): LossSequence[] {
  return rows.logps.map((logprobs, i) => ({
    logprobs: Float32Array.from(logprobs),
    behaviorLogprobs: Float32Array.from(rows.old[i]!),
    referenceLogprobs: Float32Array.from(rows.reference[i]!),
    samplerLogprobs: Float32Array.from(rows.sampler[i]!),
    advantage: new Float32Array(logprobs.length).fill(rows.advantages[i]!),
    weights: Float32Array.from(rows.mask[i]!),
  }));
}

function expectGolden(golden: Golden, name: string, loss: LossFunction, aggregation: Aggregation) {
  const expected = golden.cases.find((one) => one.name === name)!;
  const batch = sequences(golden);
  const sums = batch.map(({ weights }) => weights.reduce((sum, weight) => sum + weight, 0));
  const factors = sums.map((sum) => {
    if (aggregation === "token-mean") return 1 / sums.reduce((a, b) => a + b);
    const perToken = {
      "sequence-mean": Math.max(1, sum),
      "fixed-length": golden.maxLength,
      "sequence-sum": 1,
    };
    return 1 / (batch.length * perToken[aggregation]);
  });
  const terms = batch.map(loss);
  const value = terms.reduce((sum, of, i) => sum + factors[i]! * of.value, 0);
  expect(value).toBeCloseTo(expected.loss, 7);
  let largest = 0;
  for (const [i, { derivative }] of terms.entries())
    for (const [t, x] of derivative.entries())
      largest = Math.max(largest, Math.abs(factors[i]! * x - expected.gradient[i]![t]!));
  expect(largest).toBeLessThan(1e-8); // advantages times a correction are rounded to float32
}

describe("TRL 1.13.0", () => {
  const wide = { clipLow: 0.2, clipHigh: 0.2 };
  const correct = (
    mode: "token_truncate" | "token_mask" | "sequence_truncate" | "sequence_mask",
    clipMin: number,
    clipMax: number,
  ) => ({
    correction: { mode, clipMin, clipMax },
  });
  it.each<[string, LossName, NamedLossOptions]>([
    ["grpo", "grpo", {}],
    ["grpo, dual clip", "grpo", { dualClip: 1.3 }],
    ["dr_grpo", "dr_grpo", {}],
    ["dapo", "dapo", {}],
    ["gspo", "gspo", {}],
    ["gspo, wide", "gspo", wide],
    ["gspo_token, wide", "gspo_token", wide],
    ["cispo", "cispo", { ratioCap: 1.3 }],
    ["sapo", "sapo", {}],
    ["grpo, token_truncate None 1.5", "grpo", correct("token_truncate", 0, 1.5)],
    ["grpo, token_mask None 1.5", "grpo", correct("token_mask", 0, 1.5)],
    ["grpo, token_mask 0.5 2.0", "grpo", correct("token_mask", 0.5, 2)],
    ["grpo, sequence_truncate 0.5 1.5", "grpo", correct("sequence_truncate", 0.5, 1.5)],
    ["grpo, sequence_mask None 3.0", "grpo", correct("sequence_mask", 0, 3)],
    ["gspo, wide, token_truncate None 1.5", "gspo", { ...wide, ...correct("token_truncate", 0, 1.5) }],
  ])("%s", (name, loss, options) => {
    expectGolden(trl, name, lossFunction(loss, options), lossDefinition(loss).aggregation);
  });

  it("grpo, k3", () => {
    const inner = lossFunction("grpo");
    const loss: LossFunction = (sequence) => {
      const kl = klOf("k3")(sequence);
      const { value, derivative } = inner(sequence);
      return {
        value: value + 0.1 * kl.value,
        derivative: Float64Array.from(derivative, (x, t) => x + 0.1 * kl.derivative[t]!),
      };
    };
    expectGolden(trl, "grpo, k3", loss, "sequence-mean");
  });
});

describe("verl 0.9.1", () => {
  it.each<[string, LossFunction]>([
    ["ppo-clip, dual clip", ppoClip({ dualClip: 1.3 })],
    ["cispo, floor", cispo({ ratioFloor: 0.8, ratioCap: 1.2 })],
    ["dppo_tv", dppoTv({ divergenceLow: 0.1, divergenceHigh: 0.1, ratioCap: 1.4 })],
    ["dppo_kl", dppoKl({ divergenceLow: 0.02, divergenceHigh: 0.02, ratioCap: 1.4 })],
    ["k3+", klOf("k3+")],
  ])("%s", (name, loss) => expectGolden(verl, name, loss, "token-mean"));
});

function klOf(estimator: "k3" | "k3+"): LossFunction {
  return (sequence) =>
    sumOverTokens(sequence, (t) =>
      klEstimate(estimator, sequence.logprobs[t]!, sequence.referenceLogprobs![t]!),
    );
}

it("the policy gets the losses that the golden files check", () => {
  expect(namedLoss("grpo")).toEqual({
    loss: "ppo-clip",
    aggregation: "sequence-mean",
    clipLow: 0.2,
    clipHigh: 0.2,
  });
  expect(namedLoss("dapo")).toMatchObject({ loss: "ppo-clip", aggregation: "token-mean", clipHigh: 0.28 });
  expect(namedLoss("dr_grpo", { fixedLength: 64 })).toMatchObject({
    loss: "ppo-clip",
    aggregation: "fixed-length",
  });
  expect(namedLoss("reinforce")).toEqual({ loss: "reinforce", aggregation: "sequence-sum" });
  for (const options of [{ dualClip: 3 }, { correction: {} }]) {
    const { loss, ...rest } = namedLoss("grpo", options);
    expect(loss).toBeTypeOf("function"); // the engine's own has neither
    expect(rest).toEqual({ aggregation: "sequence-mean" });
  }
});
