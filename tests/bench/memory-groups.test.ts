/** Peers share the machine's memory with each other: who waits for whom. */
import { expect, it } from "vitest";
import { oneByOne, together } from "../../bench/peers/memory-groups.js";
import { parseShape } from "../../bench/shape.js";
import { byHand } from "./tiny-model.js";

const shapes = ["tiny/K1G1N1P5a3o2", "tiny/K3G1N1P5a3o2"].map(parseShape);
const model = { ...byHand, tiedEmbeddings: true }; // 500 parameters
const base = 2 ** 31; // bytes besides state and logits

it("in order, a new group where the next does not fit", () => {
  const placed = (available: number) => together(["b2", "b1", "trl"], shapes, model, "bfloat16", available);
  // b2: 500 · 8 bytes of state. b1: the same, and 16 · 18 rows of 10 logits of 2 bytes. trl: 500 · 16.
  const [b2, b1, trl] = [base + 4000, base + 4000 + 5760, base + 8000];
  expect(placed(b2 + b1 + trl)).toEqual([["b2", "b1", "trl"]]);
  expect(placed(b2 + b1 + trl - 1)).toEqual([["b2", "b1"], ["trl"]]);
  expect(placed(b2 + b1 - 1)).toEqual([["b2"], ["b1"], ["trl"]]);
});

it("one that fits nowhere runs alone; B3 is our own process and needs nothing", () => {
  expect(together(["b1", "b3", "b2"], shapes, model, "float32", 0)).toEqual([["b1"], ["b3"], ["b2"]]);
  expect(together(["b1", "b3"], shapes, model, "float32", 2 ** 40)).toEqual([["b1", "b3"]]);
});

it("ours is measured without peers too", () => {
  expect(together([], shapes, model, "bfloat16", 0)).toEqual([[]]);
  expect(oneByOne([])).toEqual([[]]);
  expect(oneByOne(["b1", "b2"])).toEqual([["b1"], ["b2"]]);
});
