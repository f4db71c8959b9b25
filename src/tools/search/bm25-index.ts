/**
 * BM25 search: Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), with Lucene's idf,
 *
 *   score(d) = Σ over query terms  ln(1 + (N - n + ½) / (n + ½)) · f (k1 + 1) / (f + k1 (1 - b + b |d| / mean |d|))
 *
 * for N passages, n of them with the term, f times in d. A title counts as part of its text. Of equal scores the earlier
 * passage comes first.
 */

import type { Passage } from "../../data/passage.js";
import { checkedMethods, ofArgumentsAsync } from "../../errors/arguments.js";
import { SwirlError } from "../../errors/swirl-error.js";
import type { Hit, Retriever } from "./retriever.js";
import { words } from "./words.js";

/** Parameters of BM25. */
export interface Bm25Options {
  /** How soon repetitions of a term stop counting, 0 … 1,000. @default 0.9 */
  k1?: number;
  /** How much long passages are penalized, 0 … 1. @default 0.4 */
  b?: number;
}

/** Where each term occurs. The postings of term t are those from `offsets[t]` up to `offsets[t + 1]`. */
export interface Postings {
  /** All terms, sorted by code unit. */
  terms: string[];
  /** [terms + 1] First posting of each term. */
  offsets: Uint32Array;
  /** [postings] Index of the passage; ascending within a term. */
  passages: Uint32Array;
  /** [postings] How often the term occurs in the passage. */
  counts: Uint32Array;
  /** [passages] Length of each passage, in terms. */
  lengths: Uint32Array;
}

const MAX_QUERY_TERMS = 200;

/**
 * A BM25 index in memory. Immutable once built. Save it with {@link saveIndex} to skip the build next time.
 *
 * @example
 * const index = await Bm25Index.build([{ title: "Kessler Bridge", text: "A road bridge over the Oude." }]);
 * index.search("bridge", 1); // [{ passage: { title: "Kessler Bridge", … }, score: 0.2… }]
 */
export class Bm25Index implements Retriever {
  /** How soon repetitions of a term stop counting. */
  readonly k1: number;
  /** How much long passages are penalized. */
  readonly b: number;
  readonly #meanLength: number;
  readonly #termIds: Map<string, number>;

  /**
   * Joins passages with their postings. Use {@link Bm25Index.build} to make both.
   *
   * @throws SwirlError CONFIG for k1 or b out of range.
   */
  constructor(
    /** The passages, in the order in which they were given. */
    readonly passages: readonly Passage[],
    /** Where each term occurs. */
    readonly postings: Postings,
    options: Bm25Options = {},
  ) {
    const { k1 = 0.9, b = 0.4 } = options;
    if (!(k1 >= 0 && k1 <= 1_000) || !(b >= 0 && b <= 1)) {
      throw new SwirlError("CONFIG", `BM25 with k1 = ${k1}, b = ${b}`, {
        remedy: "k1 is at least 0 (0.9 by default), b from 0 to 1 (0.4 by default)",
        details: { field: k1 >= 0 && k1 <= 1_000 ? "b" : "k1" },
      });
    }
    this.k1 = k1;
    this.b = b;
    const total = postings.lengths.reduce((sum, length) => sum + length, 0);
    this.#meanLength = Math.max(1, total) / Math.max(1, passages.length);
    this.#termIds = new Map(postings.terms.map((term, id) => [term, id]));
  }

  /**
   * Builds an index of passages; it keeps their titles and texts.
   *
   * @throws SwirlError CONFIG for k1 or b out of range.
   */
  static async build(
    passages: Iterable<Passage> | AsyncIterable<Passage>,
    options: Bm25Options = {},
  ): Promise<Bm25Index> {
    return await ofArgumentsAsync("Bm25Index.build", "(passages, options)", async () => {
      const kept: Passage[] = [];
      const lengths: number[] = [];
      const found = new Map<string, { passages: number[]; counts: number[] }>();
      for await (const { title, text } of passages) {
        const id = kept.push({ title, text }) - 1;
        const terms = words(`${title} ${text}`);
        lengths.push(terms.length);
        const counts = new Map<string, number>();
        for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
        for (const [term, count] of counts) {
          const list = found.get(term) ?? { passages: [], counts: [] };
          if (list.passages.length === 0) found.set(term, list);
          list.passages.push(id);
          list.counts.push(count);
        }
      }
      return new Bm25Index(kept, pack(found, lengths), options);
    });
  }

  /** At most `count` passages that share a term with the query, best first. Only the first 200 words of a query count. */
  search(query: string, count: number): Hit[] {
    const scores = new Map<number, number>();
    const terms = new Map<string, number>();
    for (const word of words(query).slice(0, MAX_QUERY_TERMS)) terms.set(word, (terms.get(word) ?? 0) + 1);
    for (const [term, times] of terms) this.#addTerm(term, times, scores);
    return [...scores]
      .sort(([a, scoreA], [b, scoreB]) => scoreB - scoreA || a - b)
      .slice(0, count)
      .map(([id, score]) => ({ passage: this.passages[id]!, score }));
  }

  #addTerm(term: string, times: number, scores: Map<number, number>): void {
    const id = this.#termIds.get(term);
    if (id === undefined) return;
    const { offsets, passages, counts, lengths } = this.postings;
    const [from, to] = [offsets[id]!, offsets[id + 1]!];
    const idf = Math.log(1 + (this.passages.length - (to - from) + 0.5) / (to - from + 0.5));
    for (let at = from; at < to; at++) {
      const passage = passages[at]!;
      const count = counts[at]!;
      const norm = this.k1 * (1 - this.b + (this.b * lengths[passage]!) / this.#meanLength);
      const score = (times * idf * count * (this.k1 + 1)) / (count + norm);
      scores.set(passage, (scores.get(passage) ?? 0) + score);
    }
  }
}

function pack(
  found: ReadonlyMap<string, { passages: number[]; counts: number[] }>,
  lengths: readonly number[],
): Postings {
  const terms = [...found.keys()].sort((a, b) => (a < b ? -1 : 1));
  const offsets = new Uint32Array(terms.length + 1);
  for (const [id, term] of terms.entries()) offsets[id + 1] = offsets[id]! + found.get(term)!.passages.length;
  const passages = new Uint32Array(offsets[terms.length]!);
  const counts = new Uint32Array(offsets[terms.length]!);
  for (const [id, term] of terms.entries()) {
    passages.set(found.get(term)!.passages, offsets[id]!);
    counts.set(found.get(term)!.counts, offsets[id]!);
  }
  return { terms, offsets, passages, counts, lengths: Uint32Array.from(lengths) };
}

checkedMethods(Bm25Index, { search: "(query: a text, count: a whole number)" });
