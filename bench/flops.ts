/**
 * The work of a batch, counted: matrix products of the layers, attention, and the output head. Two operations per
 * multiply-add. Nothing here is measured.
 *
 * Forward: products 2·p per token (p = weights of the layers' matrices); attention 4·heads·headDim for every pair of a
 * query and a key that it sees; head 2·width·vocab per labeled row. Backward costs twice the products and the head, and
 * 2.5 times attention (scores again, then the gradients of scores, values, queries and keys).
 */
import type { ModelConfig } from "../src/native/addon.js";
import type { Row } from "./rows.js";
import type { Sequence } from "./shape.js";

/** What the counts depend on. */
export interface Extent {
  tokens: number; // rows through the layers
  pairs: number; // of a query and a key it sees, itself included
  labeledRows: number; // rows through the head
}

export interface Flops {
  products: number;
  attention: number;
  head: number;
  total: number;
}

export function flops(model: ModelConfig, extent: Extent, op: "logprobs" | "update"): Flops {
  const { width, heads, kvHeads, headDim, intermediate, layers, vocab } = model;
  const weights = layers * (width * headDim * (2 * heads + 2 * kvHeads) + 3 * width * intermediate);
  const backward = op === "update" ? 2 : 0;
  const products = 2 * weights * extent.tokens * (1 + backward);
  const attention = 4 * layers * heads * headDim * extent.pairs * (op === "update" ? 3.5 : 1);
  const head = 2 * width * vocab * extent.labeledRows * (1 + backward);
  return { products, attention, head, total: products + attention + head };
}

export function parameterCount(model: ModelConfig): number {
  const { width, heads, kvHeads, headDim, intermediate, layers, vocab, tiedEmbeddings } = model;
  const biases = model.qkvBias ? headDim * (heads + 2 * kvHeads) : 0;
  const layer = width * headDim * (2 * heads + 2 * kvHeads) + 3 * width * intermediate + 2 * width + biases;
  return layers * layer + width * vocab * (tiedEmbeddings ? 1 : 2) + width;
}

/** Every row by itself; `padTo` where each is padded to that length and the mask saves no work. */
export function rowsExtent(rows: Row[], padTo = 0): Extent {
  let [tokens, pairs, labeledRows] = [0, 0, 0];
  for (const row of rows) {
    const length = Math.max(row.tokens.length, padTo);
    tokens += length;
    pairs += row.pairs ?? (length * (length + 1)) / 2;
    for (const { start, end } of row.actions) labeledRows += end - start;
  }
  return { tokens, pairs, labeledRows };
}

/** The prefix tree of the sequences: every distinct prefix once. */
export function treeExtent(sequences: Sequence[]): Extent {
  const children = new Map<number, number>();
  const labeled = new Set<number>();
  let pairs = 0;
  let nodes = 0;
  for (const { tokens, actionStart } of sequences) {
    let node = 0;
    for (let depth = 0; depth < tokens.length; depth++) {
      if (depth >= actionStart) labeled.add(node);
      const edge = node * 2 ** 20 + tokens[depth]!; // vocabularies are below 2^20
      let next = children.get(edge);
      if (next === undefined) {
        next = ++nodes;
        children.set(edge, next);
        pairs += depth + 1;
      }
      node = next;
    }
  }
  return { tokens: nodes, pairs, labeledRows: labeled.size };
}
