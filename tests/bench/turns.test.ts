/** Ours and peers in turns: what runs, what is scaled from a sample, and whose memory and log-probs a result holds. */
import { afterEach, describe, expect, it } from "vitest";
import { flops, rowsExtent } from "../../bench/flops.js";
import { inTurns, type Participant, type TurnOptions } from "../../bench/peers/turns.js";
import { plainRows } from "../../bench/rows.js";
import { makeTree, parseShape } from "../../bench/shape.js";
import { scripted } from "./scripted-peer.js";
import { byHand } from "./tiny-model.js";

// 32 sub-trajectories: hf-padded runs them 4 at a time, each padded to the longest, so that its 8 micro-batches are equal work.
const { sequences } = makeTree(parseShape("tiny/K2G2N2P8a3o2Q4"), byHand.vocab);
const options: TurnOptions = { on: "cpu", rounds: 3, limit: 1e9, report: () => undefined };

let participants: Participant[] = [];
afterEach(async () => {
  for (const { process } of participants) await process.close();
  participants = [];
});
function joined<T extends Participant[]>(...all: T): T {
  participants = all;
  return all;
}

// A micro-batch takes 1 s at the first call and in the first round, then 2 s, then 3 s.
const ours = () => scripted("ours", ({ call }) => ({ seconds: [7, 1, 2, 3][call] }));
const padded = () =>
  scripted(
    "hf-padded",
    ({ batches, call }) => ({
      seconds: batches.length * [1, 1, 2, 3, 3][call]!,
      fixedSeconds: 0.25,
      peakBytes: [9000, 1000, 3000, 2000, 0][call],
      sums: batches.flat().flatMap(({ actions }) => actions.map(({ sequence }) => sequence)),
    }),
    { base: 100, state: 500 },
  );

describe("a peer within the limit", () => {
  it("runs everything, round by round, and the first call is no sample", async () => {
    const reports: string[] = [];
    const turns = await inTurns(joined(ours(), padded()), sequences, byHand, "logprobs", {
      ...options,
      report: (text) => reports.push(text.trim()),
    });
    expect(reports).toEqual([
      "logprobs 1/3, seconds: ours 1.00, hf-padded 8.25",
      "logprobs 2/3, seconds: ours 2.00, hf-padded 16.25",
      "logprobs 3/3, seconds: ours 3.00, hf-padded 24.25",
    ]);
    expect(turns.get("ours")!.seconds.samples).toEqual([1, 2, 3]);
    const peer = turns.get("hf-padded")!;
    expect(peer.seconds).toEqual({ median: 16.25, min: 8.25, max: 24.25, samples: [8.25, 16.25, 24.25] });
    expect(peer.sampledOneIn).toBe(1);
    expect(peer.microBatches).toEqual({ run: 8, all: 8 });
  });

  it("keeps the largest memory of its rounds, and what of it is beyond runtime and state", async () => {
    const turns = await inTurns(joined(padded()), sequences, byHand, "update", options);
    expect(turns.get("hf-padded")!.memory).toEqual({ peak: 3000, beyondState: 3000 - 100 - 500 });
  });

  it("gives every log-prob to its own sub-trajectory", async () => {
    const turns = await inTurns(joined(padded()), sequences, byHand, "logprobs", options);
    const sums = turns.get("hf-padded")!.sums!;
    expect(sums.every(({ sequence, sum }) => sequence === sum)).toBe(true);
    expect(new Set(sums.map(({ sequence }) => sequence)).size).toBe(sequences.length);
    expect(sums.map(({ sequence }) => sequence)).not.toEqual([...sequences.keys()]); // rows come shuffled
  });
});

describe("a peer beyond the limit", () => {
  it("runs a sample, scaled by counted operations; what does not grow with the batch is not", async () => {
    const [peer] = joined(padded());
    const turns = await inTurns([peer], sequences, byHand, "update", { ...options, limit: 4 });
    const found = turns.get("hf-padded")!;
    expect(found.microBatches).toEqual({ run: 4, all: 8 });
    expect(found.sampledOneIn).toBe(2);
    expect(found.raw).toEqual([4, 8, 12].map((seconds) => ({ seconds, fixedSeconds: 0.25 })));
    expect(found.seconds.samples).toEqual([8.25, 16.25, 24.25]);
    expect(found.sums).toHaveLength(16);
    // The next measurement goes by the speed of this one: a median of 8 s for half of the work.
    const work = flops(byHand, rowsExtent(plainRows(sequences), 16), "update").total;
    expect(peer.rate.update).toBeCloseTo(work / 2 / 8, 6);
    const again = await inTurns([peer], sequences, byHand, "update", { ...options, rounds: 1, limit: 4 });
    expect(again.get("hf-padded")!.microBatches).toEqual({ run: 2, all: 8 });
    expect(again.get("hf-padded")!.seconds.samples).toEqual([2 * 3 * 4 + 0.25]);
  });

  it("runs one micro-batch at the least; ours always runs all", async () => {
    const turns = await inTurns(joined(ours(), padded()), sequences, byHand, "update", {
      ...options,
      limit: 1e-6,
    });
    expect(turns.get("hf-padded")!.microBatches).toEqual({ run: 1, all: 8 });
    expect(turns.get("ours")!.microBatches).toEqual({ run: 32, all: 32 });
    expect(turns.get("ours")!.sampledOneIn).toBe(1);
  });
});
