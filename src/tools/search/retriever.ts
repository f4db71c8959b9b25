/** Retrievers find passages for a query: with an index of words, or one of embeddings. */
import type { Passage } from "../../data/passage.js";

/** A passage that was found. */
export interface Hit {
  /** The passage. */
  passage: Passage;
  /** Larger is better. Only scores of one retriever can be compared. */
  score: number;
}

/** Finds passages for a query. {@link Bm25Index} and {@link EmbeddingIndex} are retrievers; write your own for a server. */
export interface Retriever {
  /** At most `count` hits, best first. Passages that have nothing in common with the query are left out. */
  search(query: string, count: number, options?: { signal?: AbortSignal }): Hit[] | Promise<Hit[]>;
}
