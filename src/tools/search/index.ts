export { Bm25Index, type Bm25Options } from "./bm25-index.js";
export { EmbeddingIndex, type EmbeddingIndexOptions } from "./embedding-index.js";
export { embeddingSearch } from "./embedding-search.js";
export { loadIndex, saveIndex } from "./index-file.js";
export type { Hit, Retriever } from "./retriever.js";
export { NOTHING_FOUND, type SearchOptions, search } from "./search.js";
