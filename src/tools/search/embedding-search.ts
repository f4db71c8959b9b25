import type { Passage } from "../../data/passage.js";
import type { Tool } from "../tool.js";
import { EmbeddingIndex, type EmbeddingIndexOptions } from "./embedding-index.js";
import { type SearchOptions, search } from "./search.js";

/** The search tool over embeddings of `passages`; see EmbeddingIndex.build for what it rejects with. */
export async function embeddingSearch(
  passages: Iterable<Passage> | AsyncIterable<Passage>,
  options: EmbeddingIndexOptions & SearchOptions,
): Promise<Tool<{ query: string }>> {
  const { topK, maxCharacters, maxQueryCharacters, ...rest } = options;
  const index = await EmbeddingIndex.build(passages, rest);
  return search(index, {
    ...(topK !== undefined && { topK }),
    ...(maxCharacters !== undefined && { maxCharacters }),
    ...(maxQueryCharacters !== undefined && { maxQueryCharacters }),
  });
}
