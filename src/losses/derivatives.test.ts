/** The derivative of every loss against differences of its own equation in float64. */
import { describe, expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import { cispo } from "./cispo.js";
import { dppoKl, dppoTv } from "./dppo.js";
import { gspo } from "./gspo.js";
import { gspoToken } from "./gspo-token.js";
import { CORRECTIONS, withCorrection } from "./importance-correction.js";
import { KL_ESTIMATORS, klEstimate, sequenceKl } from "./kl.js";
import type { LossFunction, LossSequence } from "./loss-function.js";
import { LOSS_NAMES, namedLoss } from "./named-losses.js";
import { ppoClip } from "./ppo-clip.js";
import { reinforce } from "./reinforce.js";
import { sapo } from "./sapo.js";

/** The losses only read the arrays, so float64 ones give differences that float32 could not. */
const float64 = (values: readonly number[]) => Float64Array.from(values) as unknown as Float32Array;

function sequence(
  log: number[],
  old: number[],
  advantage: number[],
  weights = log.map(() => 1),
): LossSequence {
  return {
    logprobs: float64(log),
    behaviorLogprobs: float64(old),
    samplerLogprobs: float64(old.map((x, t) => x + 0.4 * Math.sin(3 * t))),
    advantage: float64(advantage),
    weights: float64(weights),
  };
}

const old = [-0.9, -2.1, -0.4, -1.3, -3];
const log = old.map((x, t) => x + [0.31, -0.35, 0.05, -0.02, 0.3][t]!); // some clipped, some not
const up = sequence(log, old, [1.5, 1.5, 1.5, 1.5, 1.5]);
const down = sequence(log, old, [-0.7, -0.7, -0.7, -0.7, -0.7]);
const mixed = sequence(log, old, [1.5, -0.7, 0, 2, -1], [1, 1, 0.5, 0, 2]); // weights that are not masks
const POINTS = { up, down, mixed, "one token": sequence([-0.5], [-0.6], [1]) };

/** Where a loss stops gradients, differences are of its equation with the stopped parts as they are at `at`. */
type Objective = (logprobs: Float64Array, at: LossSequence) => number;
const sum = ({ weights }: LossSequence, term: (t: number) => number) =>
  weights.reduce((total, weight, t) => total + (weight === 0 ? 0 : weight * term(t)), 0);
const ratioOf = ({ logprobs, behaviorLogprobs }: LossSequence, t: number) =>
  Math.exp(logprobs[t]! - behaviorLogprobs![t]!);
const own =
  (loss: LossFunction): Objective =>
  (logprobs, at) =>
    loss({ ...at, logprobs: logprobs as unknown as Float32Array }).value;
const weighted =
  (factor: (at: LossSequence, t: number) => number): Objective =>
  (logprobs, at) =>
    sum(at, (t) => -factor(at, t) * at.advantage[t]! * logprobs[t]!);

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
const moved = (D: (p: number, q: number) => number, limit: number) => (at: LossSequence, t: number) => {
  const [p, q] = [Math.exp(at.logprobs[t]!), Math.exp(at.behaviorLogprobs![t]!)];
  const out = D(p, q) > limit && (at.advantage[t]! > 0 ? p > q : p < q);
  return out ? 0 : Math.min(p / q, 1.3);
};
const sequenceToken: Objective = (logprobs, at) => {
  const total = sum(at, () => 1);
  const s = Math.exp(sum(at, (t) => Math.log(ratioOf(at, t))) / total);
  return sum(at, (t) => {
    const [st, A] = [s * Math.exp(logprobs[t]! - at.logprobs[t]!), at.advantage[t]!];
    return -Math.min(st * A, clamp(st, 0.8, 1.2) * A);
  });
};

const LOSSES: [string, LossFunction, Objective][] = [
  ["reinforce", reinforce(), own(reinforce())],
  ["ppo-clip", ppoClip(), own(ppoClip())],
  ["ppo-clip, dual clip", ppoClip({ dualClip: 1.25 }), own(ppoClip({ dualClip: 1.25 }))],
  ["gspo", gspo({ clipLow: 0.2, clipHigh: 0.2 }), own(gspo({ clipLow: 0.2, clipHigh: 0.2 }))],
  ["gspo, clipped", gspo(), own(gspo())],
  ["gspo_token", gspoToken({ clipLow: 0.2, clipHigh: 0.2 }), sequenceToken],
  ["cispo", cispo({ ratioCap: 1.2, ratioFloor: 0.9 }), weighted((at, t) => clamp(ratioOf(at, t), 0.9, 1.2))],
  ["sapo", sapo(), own(sapo())],
  [
    "dppo_tv",
    dppoTv({ divergenceLow: 0.03, divergenceHigh: 0.1, ratioCap: 1.3 }),
    (logprobs, at) =>
      weighted((_, t) => moved((p, q) => Math.abs(p - q), at.advantage[t]! > 0 ? 0.1 : 0.03)(at, t))(
        logprobs,
        at,
      ),
  ],
  [
    "dppo_kl",
    dppoKl({ divergenceLow: 0.01, divergenceHigh: 0.01, ratioCap: 1.3 }),
    weighted(moved((p, q) => q * Math.log(q / p) + (1 - q) * Math.log((1 - q) / (1 - p)), 0.01)),
  ],
];

function differences(objective: Objective, at: LossSequence, step = 1e-6): number[] {
  return Array.from(at.logprobs, (_, t) => {
    const near = (by: number) => {
      const logprobs = Float64Array.from(at.logprobs);
      logprobs[t] = logprobs[t]! + by;
      return objective(logprobs, at);
    };
    return (near(step) - near(-step)) / (2 * step);
  });
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>) {
  for (let t = 0; t < expected.length; t++) expect(actual[t], `token ${t}`).toBeCloseTo(expected[t]!, 7);
}

describe.each(LOSSES)("%s", (_, loss, objective) => {
  it.each(Object.entries(POINTS))("has the derivative of its equation: %s", (_, at) => {
    const { value, derivative } = loss(at);
    expect(value).toBeCloseTo(objective(Float64Array.from(at.logprobs), at), 10);
    expectClose(derivative, differences(objective, at));
  });

  it.each(CORRECTIONS)("with %s has w times the value and the derivative", (mode) => {
    const corrected = withCorrection(loss, { mode, clipMin: 0.7, clipMax: 1.2 });
    for (const at of Object.values(POINTS)) {
      const { value, derivative } = corrected(at);
      const ratio = Array.from(at.weights, (weight, t) =>
        weight === 0 ? 0 : at.behaviorLogprobs![t]! - at.samplerLogprobs![t]!,
      );
      const whole = ratio.reduce((a, b) => a + b, 0);
      const w = ratio.map((x) => {
        const r = Math.exp(mode.startsWith("sequence") ? whole : x);
        return mode.endsWith("truncate") ? clamp(r, 0.7, 1.2) : r >= 0.7 && r <= 1.2 ? r : 0;
      });
      const scaled = { ...at, advantage: float64(Array.from(at.advantage, (A, t) => A * w[t]!)) };
      expect(value).toBeCloseTo(objective(Float64Array.from(at.logprobs), scaled), 10);
      expectClose(derivative, differences(objective, scaled));
    }
  });

  it("is 0 where every token is masked or the advantage is 0, whatever the log-probs", () => {
    const masked = { ...up, logprobs: float64([-1, -700, -1, -1, -1]), weights: float64([0, 0, 0, 0, 0]) };
    for (const at of [masked, { ...up, advantage: float64([0, 0, 0, 0, 0]) }]) {
      const { value, derivative } = loss(at);
      expect(Math.abs(value)).toBe(0);
      expect(derivative.every((x) => Math.abs(x) === 0)).toBe(true);
    }
  });

  it("is REINFORCE in its first update, where the ratio is 1", () => {
    const at = sequence(old, old, [1.5, 1.5, 1.5, 1.5, 1.5]);
    expectClose(loss(at).derivative, reinforce()(at).derivative);
  });
});

describe("at the bound itself", () => {
  it("a clip still lets the gradient through, as in torch, and a step beyond does not", () => {
    const loss = ppoClip({ clipLow: 0.5, clipHigh: 1, dualClip: 4 });
    const at = (ratio: number, A: number) => loss(sequence([Math.log(ratio)], [0], [A])).derivative[0];
    expect([at(2, 1), at(0.5, -1)]).toEqual([-2, 0.5]); // log 2 and log 0.5 are exact enough to give 2 and 0.5
    expect(
      [at(2.001, 1), at(0.499, -1), at(4.001, -1)].map(Math.abs as (x: number | undefined) => number),
    ).toEqual([0, 0, 0]);
    expect([at(0.1, 1), at(3, -1)]).toEqual([expect.closeTo(-0.1, 12), expect.closeTo(3, 12)]);
  });

  it("a mask keeps a ratio that is exactly the bound", () => {
    const at = { ...sequence([0], [Math.log(2)], [1]), samplerLogprobs: float64([0]) };
    const value = (clipMax: number) =>
      withCorrection(reinforce(), { mode: "token_mask", clipMax })({ ...at, logprobs: float64([-1]) }).value;
    expect([value(2), value(1.999)]).toEqual([2, 0]);
  });

  it("a ratio that overflows has derivative 0, not NaN", () => {
    expect(sapo()(sequence([0], [-800], [1]))).toEqual({ value: -4, derivative: Float64Array.of(-0) });
  });
});

describe("KL", () => {
  it.each(KL_ESTIMATORS)("%s has the derivative of its equation; k3+ that of k2", (estimator) => {
    const of = estimator === "k3+" ? "k2" : estimator;
    for (const d of [-2, -0.1, 0, 0.3, 4]) {
      const step = 1e-6;
      const slope =
        (klEstimate(of, d + step - 5, -5).value - klEstimate(of, d - step - 5, -5).value) / (2 * step);
      expect(klEstimate(estimator, d - 5, -5).derivative).toBeCloseTo(slope, 6);
    }
    expect(klEstimate("k3", -1, -1.5).value).toBeCloseTo(Math.exp(-0.5) - 1 + 0.5, 12);
    expect(sequenceKl("k1", [-1, -2], [-1.5, -1.75])).toBeCloseTo(0.25, 12);
  });
});

describe("bad input", () => {
  const problem = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      if (SwirlError.isInstance(error)) return `${error.code} ${error.message}`;
    }
    throw new Error("no SwirlError");
  };
  it("names what is missing", () => {
    const { behaviorLogprobs: _, ...without } = up;
    expect(problem(() => gspo()(without))).toMatch(/INPUT gspo needs behaviorLogprobs/);
    const { samplerLogprobs: __, ...alone } = up;
    expect(problem(() => withCorrection(reinforce())(alone))).toMatch(/sequence_mask needs samplerLogprobs/);
  });
  it("rejects options that are invalid or have no effect", () => {
    expect(problem(() => ppoClip({ clipHigh: 0.5, dualClip: 1.2 }))).toMatch(
      /dualClip: must be above 1 \+ clipHigh/,
    );
    expect(problem(() => cispo({ ratioFloor: 6 }))).toMatch(/ratioFloor: must be below ratioCap/);
    expect(problem(() => withCorrection(reinforce(), { clipMin: 3 }))).toMatch(
      /clipMin: must be below clipMax/,
    );
    expect(problem(() => namedLoss("grop" as never))).toMatch(/no loss "grop"/);
    expect(problem(() => namedLoss("reinforce", { clipLow: 0.1 }))).toMatch(/clipLow: unknown option/);
    expect(problem(() => namedLoss("sapo", { clipHigh: 0.1 }))).toMatch(/takes: tauPositive, tauNegative/);
    expect(problem(() => namedLoss("dr_grpo"))).toMatch(/needs fixedLength/);
    expect(problem(() => namedLoss("grpo", { fixedLength: 9 }))).toMatch(/fixedLength does nothing/);
  });
  it("every name has a function and a default", () => {
    for (const name of LOSS_NAMES)
      expect(namedLoss(name, name === "dr_grpo" ? { fixedLength: 8 } : {}).loss, name).toBeTruthy();
  });
});
