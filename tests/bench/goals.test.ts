/** The goals, judged by what a run measured: met, missed, or not measured. */
import { describe, expect, it } from "vitest";
import type { Flops } from "../../bench/flops.js";
import type { OpResult, ShapeResult } from "../../bench/peers/compare.js";
import { dedupEfficiency, flopRatio, insideProducts, judge } from "../../bench/peers/goals.js";
import type { PeerName } from "../../bench/peers/peers.js";
import type { Scaling } from "../../bench/peers/scaling.js";
import type { Measurement } from "../../bench/peers/turns.js";
import { parseShape } from "../../bench/shape.js";
import { spread } from "../../bench/spread.js";

const work = (total: number): Flops => ({ products: total, attention: 0, head: 0, total });
const memory = (peak: number, beyondState: number) => ({ peak, beyondState });
const measured = (samples: number[], of = memory(100, 10)): Measurement => ({
  seconds: spread(samples),
  raw: [],
  sampledOneIn: 1,
  microBatches: { run: 1, all: 1 },
  memory: of,
});

/** Ratios to ours by round; the tree has a tenth of the sequences' work. */
function opResult(ratios: Partial<Record<PeerName, number[]>>, ours = measured([1])): OpResult {
  const peers = Object.entries(ratios).map(([name, samples]) => [
    name,
    { ...measured(samples, memory(500, 50)), ratio: spread(samples) },
  ]);
  return { work: { tree: work(100), sequences: work(1000) }, ours, peers: Object.fromEntries(peers) };
}

function result(shape: string, update: OpResult, logprobs = update): ShapeResult {
  return {
    name: shape,
    shape: parseShape(shape),
    dtype: "bfloat16",
    tree: { tokens: 2000, pairs: 0, labeledRows: 0 },
    sequences: { tokens: 20_000, pairs: 0, labeledRows: 0 },
    ops: { logprobs, update },
    disagreement: {},
  };
}

const peak = { bfloat16: 1000, float32: 500 };

/** What was said of a goal that holds these words. */
function goal(results: ShapeResult[], words: string, on: "cpu" | "cuda" = "cpu", scaling?: Scaling) {
  const found = judge(results, scaling, peak, on).filter(({ goal }) => goal.includes(words));
  expect(found).toHaveLength(1);
  return [found[0]!.target, found[0]!.measured, found[0]!.met];
}

describe("statistics of an operation", () => {
  it("dedup efficiency is the median speed-up over no-sharing for the work saved", () => {
    const of = opResult({ "no-sharing": [12, 9.5, 7] });
    expect(flopRatio(of)).toBe(10);
    expect(dedupEfficiency(of)).toBeCloseTo(0.95, 12);
    expect(dedupEfficiency(opResult({ "hf-padded": [40] }))).toBeUndefined();
  });

  it("the products' rate and share are of all rounds together, not a mean of rounds", () => {
    const products = [
      { seconds: 2, inside: 1, flops: 100 },
      { seconds: 2, inside: 2, flops: 50 },
    ];
    expect(insideProducts(opResult({}, { ...measured([1]), products }))).toEqual({ rate: 50, outside: 0.25 });
    expect(insideProducts(opResult({}))).toBeUndefined();
    const none = [{ seconds: 2, inside: 0, flops: 0 }]; // an engine that kept no times
    expect(insideProducts(opResult({}, { ...measured([1]), products: none }))).toBeUndefined();
  });
});

describe("on a CPU", () => {
  const name = "smollm2/K8G8N1P512";

  it("are met at the target, missed below it, and neither where nothing was measured", () => {
    const at = (padded: number[]) =>
      goal([result(name, opResult({ "hf-padded": padded }))], "update: times faster than hf-padded");
    expect(at([35, 10, 90])).toEqual(["≥ 35", "35.0×", true]);
    expect(at([34.9, 34.9, 34.9])).toEqual(["≥ 35", "34.9×", false]);
    expect(
      goal([result(name, opResult({ "hf-padded": [50] }))], "update: times faster than hf-tuned"),
    ).toEqual(["≥ 10", "not measured", null]);
  });

  it("say of what share of its batch a peer's time was taken", () => {
    const of = opResult({ "hf-tuned": [12] });
    of.peers["hf-tuned"]!.sampledOneIn = 6.4;
    expect(goal([result(name, of)], "update: times faster than hf-tuned")).toEqual([
      "≥ 10",
      "12.0×, its 1 in 6.4",
      true,
    ]);
  });

  it("of a shape that shares nothing: 2.5 times hf-padded, and no efficiency of sharing", () => {
    const alone = judge(
      [result("smollm2/K1G1N1P512", opResult({ "hf-padded": [3], "no-sharing": [1] }))],
      undefined,
      peak,
      "cpu",
    );
    expect(alone.map(({ goal, target, met }) => [goal, target, met])).toEqual([
      ["logprobs: times faster than hf-padded", "≥ 2.5", true],
      ["update: times faster than hf-padded", "≥ 2.5", true],
    ]);
  });

  it("of sharing", () => {
    const words = "update: speed-up over no-sharing";
    expect(goal([result("smollm2/K4G1N2P64", opResult({ "no-sharing": [9] }))], words)).toEqual([
      "≥ 0.9",
      "0.90",
      true,
    ]);
    expect(goal([result("smollm2/K4G1N2P64", opResult({ "no-sharing": [8] }))], words)).toEqual([
      "≥ 0.9",
      "0.80",
      false,
    ]);
  });

  it("of matrix products: their rate against the peak of the result's type, the time outside them", () => {
    const products = [{ seconds: 10, inside: 6, flops: 4800 }];
    const of = result(name, opResult({}, { ...measured([1]), products }));
    expect(goal([of], "rate of the matrix products")).toEqual(["≥ 0.75", "80 %", true]);
    expect(goal([of], "time outside matrix products")).toEqual(["≤ 0.35", "40 %", false]);
    const wide = goal([{ ...of, dtype: "float32" }], "rate of the matrix products");
    expect(wide[1]).toBe("160 %");
  });

  it("of memory, whole and beyond state", () => {
    const of = (peakBytes: number, beyond: number) => [
      result(name, opResult({ "hf-padded": [40] }, measured([1], memory(peakBytes, beyond)))),
    ];
    expect(goal(of(125, 20), "peak resident memory")).toEqual(["≤ 0.25", "0.25", true]);
    expect(goal(of(125, 20), "beyond runtime")).toEqual(["≤ 0.25", "0.40", false]);
  });
});

describe("of scaling", () => {
  const point = (size: number) => ({ size, treeTokens: 0, work: 0, attention: 0, seconds: spread([1]) });
  const both = <T>(value: T) => ({ logprobs: value, update: value });
  const scaling = (time: number, rSquared: number, rate: number | null): Scaling => ({
    shape: parseShape("smollm2/K8G8N1P512"),
    byG: both([point(4), point(8), point(16)]),
    doublingG: both({ time, treeTokens: 1.9 }),
    byK: both([]),
    timeAgainstK: both({ coefficients: [1, 2, 3] as [number, number, number], rSquared }),
    attentionAgainstK: both({ coefficients: [0, 0, 1] as [number, number, number], rSquared: 1 }),
    impliedAttentionRate: both(rate),
  });

  it("doubling G names both sizes", () => {
    const words = "update: time of G=16 ÷ G=8, K=8 (tokens 1.90×)";
    expect(goal([], words, "cpu", scaling(1.75, 1, 200))).toEqual(["≤ 1.75", "1.75×", true]);
    expect(goal([], words, "cpu", scaling(1.8, 1, 200))).toEqual(["≤ 1.75", "1.80×", false]);
  });

  it("time against K needs a good fit and an attention that is not too slow", () => {
    const met = (rSquared: number, rate: number | null) =>
      goal([], "update: time against K", "cpu", scaling(1, rSquared, rate))[2];
    expect(met(0.995, 200)).toBe(true);
    expect(met(0.98, 200)).toBe(false);
    expect(met(0.995, 99)).toBe(false); // below a tenth of the peak
    expect(met(0.995, null)).toBe(true); // no quadratic part at all
  });
});

describe("on a GPU", () => {
  it("asks for tree tokens a second by model, and more of its peers", () => {
    const update = opResult({ "hf-padded": [120], "hf-tuned": [14] }, measured([0.01]));
    const results = [result("qwen2.5/K8G8N4P1024", update)];
    expect(goal(results, "tree tokens", "cuda")).toEqual(["≥ 175000", "200000", true]);
    expect(goal(results, "faster than hf-padded", "cuda")).toEqual(["≥ 100", "120.0×", true]);
    expect(goal(results, "faster than hf-tuned", "cuda")).toEqual(["≥ 15", "14.0×", false]);
    const larger = [result("qwen2.5-1.5b/K4G8N4P1024", update)];
    expect(judge(larger, undefined, peak, "cuda").map(({ target }) => target)).toEqual(["≥ 65000"]);
  });
});
