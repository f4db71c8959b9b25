export { Bm25Index, type Bm25Options, type Postings } from "./bm25-index.js";
export type { EmbeddingEndpointOptions } from "./embedding-endpoint.js";
export {
  EmbeddingIndex,
  type EmbeddingIndexOptions,
  type EmbeddingIndexSettings,
} from "./embedding-index.js";
export { embeddingSearch } from "./embedding-search.js";
export { loadIndex, saveIndex } from "./index-file.js";
export type { Hit, Retriever } from "./retriever.js";
export { NOTHING_FOUND, type SearchInput, type SearchOptions, search } from "./search.js";
