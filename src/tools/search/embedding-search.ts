import type { Passage } from "../../data/passage.js";
import { ofArgumentsAsync } from "../../errors/arguments.js";
import type { Tool } from "../tool.js";
import { EmbeddingIndex, type EmbeddingIndexOptions } from "./embedding-index.js";
import { type SearchInput, type SearchOptions, search } from "./search.js";

/**
 * A search tool over embeddings of `passages`: {@link EmbeddingIndex.build} and {@link search} in one.
 *
 * @throws SwirlError CONFIG for bad options, ENDPOINT when the server gives no embeddings, RECORD for a file that is not a
 * cache of embeddings, ABORTED.
 * @example
 * const tool = await embeddingSearch(passages, {
 *   baseURL: "http://127.0.0.1:8000/v1",
 *   model: "bge-small-en",
 *   cacheFile: "vectors.bin",
 * });
 */
export async function embeddingSearch(
  passages: Iterable<Passage> | AsyncIterable<Passage>,
  options: EmbeddingIndexOptions & SearchOptions,
): Promise<Tool<SearchInput>> {
  return await ofArgumentsAsync("embeddingSearch", "(passages, { baseURL, model, … })", async () => {
    const { topK, maxCharacters, maxQueryCharacters, ...rest } = options;
    const index = await EmbeddingIndex.build(passages, rest);
    return search(index, {
      ...(topK !== undefined && { topK }),
      ...(maxCharacters !== undefined && { maxCharacters }),
      ...(maxQueryCharacters !== undefined && { maxQueryCharacters }),
    });
  });
}
