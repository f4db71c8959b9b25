/** A shape compared: ratios round by round, and a peer that did other work is refused. */
import { afterEach, describe, expect, it } from "vitest";
import { compareShape, merged } from "../../bench/peers/compare.js";
import { dedupEfficiency, flopRatio } from "../../bench/peers/goals.js";
import type { Participant, TurnOptions } from "../../bench/peers/turns.js";
import { parseShape } from "../../bench/shape.js";
import { scripted } from "./scripted-peer.js";
import { byHand } from "./tiny-model.js";

const shape = parseShape("tiny/K2G2N2P8a3o2");
const model = { ...byHand, vocab: 2 ** 20 }; // no two tokens are the same by chance
const options: TurnOptions = { on: "cpu", rounds: 3, limit: 1e9, report: () => undefined };

let participants: Participant[] = [];
afterEach(async () => {
  for (const { process } of participants) await process.close();
});
function compare(dtype: "bfloat16" | "float32", limit: number, ...all: Participant[]) {
  participants = all;
  return compareShape(all, shape, model, dtype, { ...options, limit });
}

// The first of a process's calls warms it up; an action of n tokens has the log-prob -n.
const ours = () =>
  scripted("ours", ({ batches, call }) => ({
    seconds: [9, 1, 4, 2][call],
    sums: batches.flat().flatMap(({ actions }) => actions.map(({ start, end }) => start - end)),
    metrics: { gradNorm: 2 },
    products: { seconds: 2, inside: 1, flops: 10 + call },
  }));
const padded = () =>
  scripted("hf-padded", ({ batches, call }) => ({
    seconds: [9, 8, 20, 30][call],
    sums: batches.flat().flatMap(({ actions }) => actions.map(({ start, end }) => start - end - 0.06)),
    gradNorm: 2.05,
  }));
const noSharing = () =>
  scripted("no-sharing", ({ batches, call }) => ({
    seconds: [9, 2, 8, 4][call],
    sums: batches.flat().flatMap(({ actions }) => actions.map(({ start, end }) => start - end)),
    gradNorm: 2,
  }));

describe("one shape", () => {
  it("has a ratio for every round, whose median is not that of the medians", async () => {
    const { ops } = await compare("bfloat16", 1e9, ours(), padded());
    for (const op of ["logprobs", "update"] as const) {
      expect(ops[op].ours.seconds.median).toBe(2);
      expect(ops[op].peers["hf-padded"]!.seconds.median).toBe(20);
      expect(ops[op].peers["hf-padded"]!.ratio).toEqual({ median: 8, min: 5, max: 15, samples: [8, 5, 15] });
    }
  });

  it("says how far log-probs are apart, in nats a token", async () => {
    const { disagreement } = await compare("bfloat16", 1e9, ours(), padded(), noSharing());
    expect(disagreement["hf-padded"]).toBeCloseTo(0.06 / 3, 12);
    expect(disagreement["no-sharing"]).toBe(0);
  });

  it("has the dedup efficiency: the speed-up over the same engine without a tree, over the work saved", async () => {
    const result = await compare("bfloat16", 1e9, ours(), noSharing());
    // 8 + 2·(1·5 + 2·2·3) tree tokens; 2·2 sequences of 11 and 2·2 of 16.
    expect([result.tree.tokens, result.sequences.tokens]).toEqual([42, 108]);
    const { work } = result.ops.logprobs;
    expect(work.sequences.products / work.tree.products).toBeCloseTo(108 / 42, 12);
    expect(flopRatio(result.ops.logprobs)).toBe(work.sequences.total / work.tree.total);
    expect(dedupEfficiency(result.ops.logprobs)).toBe((2 * work.tree.total) / work.sequences.total);
  });
});

describe("other work is refused", () => {
  it("log-probs that differ by more than the type's rounding", async () => {
    await expect(compare("float32", 1e9, ours(), padded())).rejects.toThrowError(
      /^hf-padded's log-probs differ from ours by 0\.0(2|19999)\d* nats a token/,
    );
  });

  const other = () =>
    scripted("hf-padded", ({ batches }) => ({
      seconds: batches.length,
      sums: batches.flat().flatMap(({ actions }) => actions.map(({ start, end }) => start - end)),
      gradNorm: 2.2,
    }));

  it("another gradient", async () => {
    await expect(compare("bfloat16", 1e9, ours(), other())).rejects.toThrowError(
      "hf-padded's gradient has norm 2.2, ours 2: not the same work",
    );
  });

  it("but not the gradient of a sample, which is another", async () => {
    const { ops } = await compare("bfloat16", 1, ours(), other());
    expect(ops.update.peers["hf-padded"]!.microBatches).toEqual({ run: 1, all: 2 });
  });
});

it("two runs of a shape merge: ours has the rounds of both, a peer's ratios stay its own", async () => {
  const first = await compare("bfloat16", 1e9, ours(), padded());
  for (const { process } of participants) await process.close();
  const second = await compare("bfloat16", 1e9, ours(), noSharing());
  const both = merged(first, second);
  expect(both.ops.update.ours.seconds.samples).toEqual([1, 4, 2, 1, 4, 2]);
  expect(both.ops.update.ours.products!.map(({ flops }) => flops)).toEqual([11, 12, 13, 11, 12, 13]);
  expect(both.ops.update.peers["hf-padded"]!.ratio).toEqual(first.ops.update.peers["hf-padded"]!.ratio);
  expect(both.ops.update.peers["no-sharing"]!.ratio).toEqual(second.ops.update.peers["no-sharing"]!.ratio);
  expect(Object.keys(both.disagreement).sort()).toEqual(["hf-padded", "no-sharing"]);
  expect(merged(undefined, second)).toBe(second);
});
