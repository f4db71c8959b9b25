/** The counted work of rows and trees, against counts by hand and the published sizes of the models. */
import { describe, expect, it } from "vitest";
import { flops, parameterCount, rowsExtent, treeExtent } from "../../bench/flops.js";
import { mergedRows, plainRows } from "../../bench/rows.js";
import { makeTree, parseShape, type Sequence } from "../../bench/shape.js";
import { treeRows } from "../../bench/tree-rows.js";
import { byHand, modelOf } from "./tiny-model.js";

const sequence = (state: number[], action: number[]): Sequence => ({
  tokens: Int32Array.from([...state, ...action]),
  actionStart: state.length,
  advantage: 1,
});

//   5 ─ 6 ┬ 7 ┬ 8        the first sequence's action is 7 8
//         │   └ 9 ─ 9    the second's 9 9
//         └ 4            the third's 4
const forked = [sequence([5, 6], [7, 8]), sequence([5, 6, 7], [9, 9]), sequence([5, 6], [4])];

describe("extents", () => {
  it("of a tree: every prefix once, a row of several children labeled once", () => {
    // Nodes see 1, 2, 3, 4, then 4, 5, then 3 nodes; the actions' tokens come after 6, 7 and the first 9.
    expect(treeExtent(forked)).toEqual({ tokens: 7, pairs: 22, labeledRows: 3 });
  });

  it("of rows alone, and padded to one length", () => {
    expect(rowsExtent(plainRows(forked))).toEqual({ tokens: 12, pairs: 10 + 15 + 6, labeledRows: 5 });
    expect(rowsExtent(plainRows(forked), 6)).toEqual({ tokens: 18, pairs: 3 * 21, labeledRows: 5 });
    expect(rowsExtent(plainRows(forked), 2)).toEqual(rowsExtent(plainRows(forked))); // shorter than any
  });

  it("of a packed tree: the pairs its mask leaves, one label an action's token", () => {
    expect(rowsExtent(treeRows(forked, 100))).toEqual({ tokens: 7, pairs: 22, labeledRows: 5 });
  });

  it("of a logged trajectory: its merged row is its tree", () => {
    const { sequences } = makeTree(parseShape("tiny/K4G1N1P7a3o2"), 2 ** 20);
    const tree = treeExtent(sequences);
    expect(tree).toEqual({ tokens: 7 + 4 * 3 + 3 * 2, pairs: (25 * 26) / 2, labeledRows: 12 });
    expect(rowsExtent(mergedRows(sequences))).toEqual(tree);
  });

  it.each([
    [{ K: 3, G: 1, N: 2, P: 5, a: 3, o: 2, Q: 1 }, 5 + 2 * (3 * 3 + 2 * 2)],
    [{ K: 2, G: 3, N: 2, P: 5, a: 3, o: 2, Q: 1 }, 5 + 2 * (1 * 5 + 2 * 3 * 3)],
    [{ K: 1, G: 4, N: 1, P: 6, a: 2, o: 9, Q: 2 }, 2 * (6 + 4 * 2)],
  ])("of shape %o: the tokens that shape.ts promises", (shape, tokens) => {
    const { sequences, states } = makeTree(shape, 2 ** 20);
    const { K, G, N, P, a, o, Q } = shape;
    expect(treeExtent(sequences).tokens).toBe(tokens);
    expect(states).toHaveLength(Q * N * K);
    const lengths = Array.from(
      { length: Q * N * K * G },
      (_, i) => P + (Math.floor(i / G) % K) * (a + o) + a,
    );
    expect(sequences.map((each) => each.tokens.length)).toEqual(lengths);
  });
});

describe("operations", () => {
  const extent = treeExtent(forked);

  it("forward: two a weight and token, four a pair, head and dimension, two a head's weight and labeled row", () => {
    const [products, attention, head] = [2 * 432 * 7, 4 * 3 * 2 * 2 * 22, 2 * 4 * 10 * 3];
    expect(flops(byHand, extent, "logprobs")).toEqual({ products, attention, head, total: 7344 });
  });

  it("an update: three times the products and the head, 3.5 times attention", () => {
    expect(flops(byHand, extent, "update")).toEqual({
      products: 3 * 6048,
      attention: 3.5 * 1056,
      head: 3 * 240,
      total: 22560,
    });
  });
});

describe("parameters", () => {
  it("counted by hand", () => {
    expect(parameterCount({ ...byHand, tiedEmbeddings: true })).toBe(3 * (144 + 8) + 40 + 4);
    expect(parameterCount({ ...byHand, tiedEmbeddings: false })).toBe(3 * (144 + 8) + 2 * 40 + 4);
    expect(parameterCount({ ...byHand, tiedEmbeddings: true, qkvBias: true })).toBe(500 + 3 * 2 * 4);
  });

  it.each([
    ["smollm2", 134_515_008],
    ["qwen2.5", 494_032_768],
    ["qwen2.5-1.5b", 1_543_714_304],
  ] as const)("%s has as many as its publisher's checkpoint", (name, count) => {
    expect(parameterCount(modelOf(name))).toBe(count);
  });
});
