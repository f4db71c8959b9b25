/**
 * Rows: what a trainer without a tree runs the model on. A row has tokens and one or more actions in it;
 * `sequence` says which sub-trajectory an action ends.
 */
import type { Sequence } from "./shape.js";

export interface Row {
  tokens: number[];
  actions: Action[];
  /** Of a packed tree (tree-rows.ts): a token's position on its path, and one past the last token below it. */
  tree?: { positions: number[]; ends: number[] };
  /** Pairs of a token and one it sees, where that is not every earlier one. */
  pairs?: number;
}

export interface Action {
  start: number; // tokens [start, end)
  end: number;
  advantage: number;
  sequence: number;
  /** In a packed tree: where the state's last token and then the action's tokens are. */
  nodes?: number[];
}

/** One row per sub-trajectory, as trainers of single turns do. */
export function plainRows(sequences: Sequence[]): Row[] {
  return sequences.map(({ tokens, actionStart, advantage }, sequence) => ({
    tokens: [...tokens],
    actions: [{ start: actionStart, end: tokens.length, advantage, sequence }],
  }));
}

/** A sub-trajectory that the next one continues goes into its row: a trajectory of logged actions is one row. */
export function mergedRows(sequences: Sequence[]): Row[] {
  const rows: Row[] = [];
  for (const row of plainRows(sequences)) {
    const last = rows.at(-1);
    if (last?.tokens.every((token, i) => token === row.tokens[i])) {
      last.tokens = row.tokens;
      last.actions.push(...row.actions);
    } else rows.push(row);
  }
  return rows;
}

/** A trainer's rows come in no order of length. Deterministic. */
export function shuffled<T>(rows: T[]): T[] {
  const step = [37, 41, 43, 47].find((prime) => rows.length % prime !== 0) ?? 1;
  return rows.map((_, i) => rows[(i * step + 11) % rows.length]!);
}
