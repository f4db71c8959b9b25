/** Peers share the machine's memory with each other: who waits for whom. */
import { expect, it } from "vitest";
import { oneByOne, together } from "../../bench/peers/memory-groups.js";
import { parseShape } from "../../bench/shape.js";
import { byHand } from "./tiny-model.js";

const shapes = ["tiny/K1G1N1P5a3o2", "tiny/K3G1N1P5a3o2"].map(parseShape);
const model = { ...byHand, tiedEmbeddings: true }; // 500 parameters
const base = 2 ** 31; // bytes besides state and logits

it("in order, a new group where the next does not fit", () => {
  const placed = (available: number) =>
    together(["hf-tuned", "hf-padded", "trl"], shapes, model, "bfloat16", available);
  // tuned: 500 · 8 bytes of state. padded: the same, and 16 · 18 rows of 10 logits of 2 bytes. trl: 500 · 16.
  const [tuned, padded, trl] = [base + 4000, base + 4000 + 5760, base + 8000];
  expect(placed(tuned + padded + trl)).toEqual([["hf-tuned", "hf-padded", "trl"]]);
  expect(placed(tuned + padded + trl - 1)).toEqual([["hf-tuned", "hf-padded"], ["trl"]]);
  expect(placed(tuned + padded - 1)).toEqual([["hf-tuned"], ["hf-padded"], ["trl"]]);
});

it("one that fits nowhere runs alone; no-sharing is our own process and needs nothing", () => {
  expect(together(["hf-padded", "no-sharing", "hf-tuned"], shapes, model, "float32", 0)).toEqual([
    ["hf-padded"],
    ["no-sharing"],
    ["hf-tuned"],
  ]);
  expect(together(["hf-padded", "no-sharing"], shapes, model, "float32", 2 ** 40)).toEqual([
    ["hf-padded", "no-sharing"],
  ]);
});

it("ours is measured without peers too", () => {
  expect(together([], shapes, model, "bfloat16", 0)).toEqual([[]]);
  expect(oneByOne([])).toEqual([[]]);
  expect(oneByOne(["hf-padded", "hf-tuned"])).toEqual([["hf-padded"], ["hf-tuned"]]);
});
