/**
 * Packed trees: what a trainer with a tree mask runs the model on. Sub-trajectories that follow one another share their
 * prefixes in one row, in depth-first preorder; a token sees the tokens whose subtree it is in, itself included.
 */
import type { Action, Row } from "./rows.js";
import type { Sequence } from "./shape.js";

/** As few rows as hold the sequences, in order, with at most about so many tokens each. */
export function treeRows(sequences: Sequence[], tokens: number): Row[] {
  const rows: Row[] = [];
  let trie = new Trie();
  for (const [index, sequence] of sequences.entries()) {
    if (trie.size > 0 && trie.size + trie.missing(sequence.tokens) > tokens) {
      rows.push(trie.row());
      trie = new Trie();
    }
    trie.add(sequence, index);
  }
  if (trie.size > 0) rows.push(trie.row());
  return rows;
}

/** Node 0 is above every root; nodes are numbered as they came. */
class Trie {
  readonly #tokens: number[] = [-1];
  readonly #children: number[][] = [[]];
  readonly #edges = new Map<number, number>(); // parent and token to child
  readonly #actions: { sequence: Sequence; index: number; nodes: number[] }[] = [];

  get size(): number {
    return this.#tokens.length - 1;
  }

  /** Tokens that adding would add. */
  missing(tokens: Int32Array): number {
    let node = 0;
    for (const [i, token] of tokens.entries()) {
      const next = this.#edges.get(edge(node, token));
      if (next === undefined) return tokens.length - i;
      node = next;
    }
    return 0;
  }

  add(sequence: Sequence, index: number): void {
    const nodes: number[] = [];
    let node = 0;
    for (const [i, token] of sequence.tokens.entries()) {
      node = this.#edges.get(edge(node, token)) ?? this.#grow(node, token);
      if (i >= sequence.actionStart - 1) nodes.push(node);
    }
    this.#actions.push({ sequence, index, nodes });
  }

  #grow(parent: number, token: number): number {
    const node = this.#tokens.push(token) - 1;
    this.#children.push([]);
    this.#children[parent]!.push(node);
    this.#edges.set(edge(parent, token), node);
    return node;
  }

  row(): Row {
    const place = new Int32Array(this.#tokens.length).fill(-1); // of a node in the row
    const tokens: number[] = [];
    const positions: number[] = [];
    const ends: number[] = [];
    const open: { node: number; depth: number }[] = [{ node: 0, depth: -1 }];
    while (open.length > 0) {
      const { node, depth } = open.pop()!;
      if (place[node] !== -1) {
        ends[place[node]!] = tokens.length; // all below it is placed
        continue;
      }
      if (node > 0) {
        place[node] = tokens.push(this.#tokens[node]!) - 1;
        positions.push(depth);
        open.push({ node, depth });
      }
      for (const child of this.#children[node]!.toReversed()) open.push({ node: child, depth: depth + 1 });
    }
    const actions = this.#actions.map(({ sequence, index, nodes }): Action => {
      const { tokens, actionStart, advantage } = sequence;
      const places = nodes.map((node) => place[node]!);
      return { start: actionStart, end: tokens.length, advantage, sequence: index, nodes: places };
    });
    const pairs = positions.reduce((sum, position) => sum + position + 1, 0);
    return { tokens, actions, tree: { positions, ends }, pairs };
  }
}

function edge(node: number, token: number): number {
  return node * 2 ** 20 + token; // vocabularies are below 2^20
}
