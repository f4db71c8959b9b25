/** What finds passages for a query: an index of words, or one of embeddings. */
import type { Passage } from "../../data/passage.js";

export interface Hit {
  passage: Passage;
  /** Larger is better; only hits of one retriever compare. */
  score: number;
}

export interface Retriever {
  /** At most `count` hits, best first; passages that have nothing in common with the query are left out. */
  search(query: string, count: number, options?: { signal?: AbortSignal }): Hit[] | Promise<Hit[]>;
}
