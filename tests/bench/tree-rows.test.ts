/** A packed tree holds every sub-trajectory, and its mask lets a token see its own path and nothing else. */
import { describe, expect, it } from "vitest";
import { treeExtent } from "../../bench/flops.js";
import type { Row } from "../../bench/rows.js";
import { makeTree, parseShape } from "../../bench/shape.js";
import { treeRows } from "../../bench/tree-rows.js";

/** What a token sees, by the rule of the mask: keys before it whose subtree it is in. */
function seen({ tokens, tree }: Row, query: number): number[] {
  return tokens.flatMap((_, key) => (key <= query && query < tree!.ends[key]! ? [key] : []));
}

describe.each(["tiny/K1G1N1P5a3o2", "tiny/K3G1N2P5a3o2", "tiny/K2G3N2P5a3o2Q2"])("%s", (name) => {
  const { sequences } = makeTree(parseShape(name), 40);

  it.each([100_000, 30, 1])("at most about %i tokens a row", (limit) => {
    const rows = treeRows(sequences, limit);
    const found = rows.flatMap((row) => row.actions.map((action) => ({ row, action })));
    expect(found.map(({ action }) => action.sequence)).toEqual(sequences.map((_, i) => i));
    for (const { row, action } of found) {
      const { tokens, actionStart, advantage } = sequences[action.sequence]!;
      const path = seen(row, action.nodes!.at(-1)!);
      expect(path.map((at) => row.tokens[at])).toEqual([...tokens]);
      expect(path.map((at) => row.tree!.positions[at])).toEqual([...tokens.keys()]);
      expect(path.slice(actionStart - 1)).toEqual(action.nodes);
      expect(action.advantage).toBe(advantage);
      expect([action.start, action.end]).toEqual([actionStart, tokens.length]);
    }
    for (const row of rows) {
      const own = treeExtent(row.actions.map(({ sequence }) => sequences[sequence]!));
      expect(row.tokens.length).toBe(own.tokens);
      expect(row.pairs).toBe(own.pairs);
      expect(row.tokens.length <= limit || row.actions.length === 1).toBe(true);
    }
    if (limit === 100_000) expect(rows).toHaveLength(1);
    if (limit === 1) expect(rows).toHaveLength(sequences.length);
  });
});
