/** Rows of trainers without a tree: one a sub-trajectory, or the logged steps of a trajectory in one. */
import { expect, it } from "vitest";
import { spaced } from "../../bench/peers/turns.js";
import { mergedRows, plainRows, shuffled } from "../../bench/rows.js";
import { makeTree, parseShape } from "../../bench/shape.js";

it("a row of its own for every sub-trajectory", () => {
  const { sequences } = makeTree(parseShape("tiny/K2G2N1P3a2o1"), 500);
  const rows = plainRows(sequences);
  expect(rows.map(({ tokens }) => tokens)).toEqual(sequences.map(({ tokens }) => [...tokens]));
  expect(rows.map(({ actions }) => actions)).toEqual(
    sequences.map(({ tokens, actionStart, advantage }, sequence) => [
      { start: actionStart, end: tokens.length, advantage, sequence },
    ]),
  );
});

it("logged steps go into their trajectory's row, with their own places and advantages", () => {
  const { sequences } = makeTree(parseShape("tiny/K3G1N2P4a2o1"), 500);
  const rows = mergedRows(sequences);
  expect(rows.map(({ tokens }) => tokens)).toEqual([[...sequences[2]!.tokens], [...sequences[5]!.tokens]]);
  expect(
    rows.map(({ actions }) => actions.map(({ start, end, sequence }) => [start, end, sequence])),
  ).toEqual([
    [
      [4, 6, 0],
      [7, 9, 1],
      [10, 12, 2],
    ],
    [
      [4, 6, 3],
      [7, 9, 4],
      [10, 12, 5],
    ],
  ]);
  const advantages = rows.flatMap(({ actions }) => actions.map(({ advantage }) => advantage));
  expect(advantages).toEqual(sequences.map(({ advantage }) => advantage));
});

it("fresh actions of one state do not continue each other", () => {
  const { sequences } = makeTree(parseShape("tiny/K2G3N1P4a2o1"), 500);
  expect(mergedRows(sequences)).toEqual(plainRows(sequences));
});

it.each([1, 2, 8, 37, 64, 37 * 41, 37 * 41 * 43])("shuffled: %i rows, each once", (count) => {
  const rows = Array.from({ length: count }, (_, i) => i);
  const order = shuffled(rows);
  expect([...order].sort((a, b) => a - b)).toEqual(rows);
  if (count > 2) expect(order).not.toEqual(rows);
});

it("spaced: at even distances, the middle one alone, all of them when asked for all", () => {
  const items = Array.from({ length: 12 }, (_, i) => i);
  expect(spaced(items, 1)).toEqual([6]);
  expect(spaced(items, 3)).toEqual([2, 6, 10]);
  expect(spaced(items, 12)).toEqual(items);
});
