/**
 * Search by cosine similarity of embeddings: the query is compared with every passage. Vectors come from an
 * OpenAI-compatible `/v1/embeddings` and are cached on disk. A corpus is embedded once, and an interrupted embedding
 * resumes where it stopped.
 */

import { z } from "zod";
import type { Passage } from "../../data/passage.js";
import { ofArgumentsAsync } from "../../errors/arguments.js";
import { SwirlError } from "../../errors/swirl-error.js";
import {
  EmbeddingEndpoint,
  type EmbeddingEndpointOptions,
  embeddingEndpointSchema,
} from "./embedding-endpoint.js";
import type { Hit, Retriever } from "./retriever.js";
import { VectorCache } from "./vector-cache.js";

/** What {@link EmbeddingIndex.build} takes from a config file. */
export interface EmbeddingIndexSettings extends EmbeddingEndpointOptions {
  /** File that keeps the vectors, one per model. Default: in memory only. */
  cacheFile?: string | undefined;
  /** Put before every query, as some models need: "search_query: ". @default "" */
  queryPrefix?: string | undefined;
  /** Put before every passage, as some models need: "search_document: ". @default "" */
  passagePrefix?: string | undefined;
}

/** Options of {@link EmbeddingIndex.build}. */
export interface EmbeddingIndexOptions extends EmbeddingIndexSettings {
  /** Ends the embedding with code ABORTED. */
  signal?: AbortSignal;
  /** Called after every batch: passages that have a vector, and passages in all. */
  onProgress?: (done: number, total: number) => void;
}

export const embeddingIndexSchema = embeddingEndpointSchema.extend({
  cacheFile: z.string().min(1).optional(),
  queryPrefix: z.string().default(""),
  passagePrefix: z.string().default(""),
});

/**
 * An index of embeddings, for search by meaning. Immutable once built.
 *
 * @example
 * const index = await EmbeddingIndex.build(passages, { baseURL: "http://127.0.0.1:8000/v1", model: "bge-small-en" });
 * const [best] = await index.search("Who built the Kessler Bridge?", 1);
 */
export class EmbeddingIndex implements Retriever {
  private constructor(
    /** The passages, in the order in which they were given. */
    readonly passages: readonly Passage[],
    private readonly vectors: Float32Array, // [passages, dimensions], each of length 1
    private readonly endpoint: EmbeddingEndpoint,
    private readonly cache: VectorCache,
    private readonly queryPrefix: string,
  ) {}

  /**
   * Embeds the passages that the cache does not hold.
   *
   * @throws SwirlError CONFIG for bad options, RECORD for a file that is not a cache of embeddings, ABORTED, ENDPOINT when
   * the server gives no embeddings. What was embedded until then stays in the cache.
   */
  static async build(
    passages: Iterable<Passage> | AsyncIterable<Passage>,
    options: EmbeddingIndexOptions,
  ): Promise<EmbeddingIndex> {
    return await ofArgumentsAsync("EmbeddingIndex.build", "(passages, { baseURL, model, … })", async () => {
      const { signal, onProgress, ...input } = options;
      const { cacheFile, queryPrefix = "", passagePrefix = "", ...connection } = input;
      const endpoint = new EmbeddingEndpoint(connection);
      const cache = await VectorCache.open(cacheFile);
      const kept: Passage[] = [];
      for await (const passage of passages) kept.push(passage);
      const texts = kept.map(({ title, text }) => `${passagePrefix}${title ? `${title}: ` : ""}${text}`);
      const keys = texts.map((text) => VectorCache.key(endpoint.id, text));
      const missing = [
        ...new Map(keys.map((key, i) => [key, i] as const).filter(([key]) => !cache.get(key))).values(),
      ];
      let done = kept.length - missing.length;
      onProgress?.(done, kept.length);
      await endpoint.embed(
        missing.map((i) => texts[i]!),
        {
          ...(signal && { signal }),
          onBatch: async (start, vectors) => {
            await cache.add(vectors.map((vector, i) => [keys[missing[start + i]!]!, vector] as const));
            done += vectors.length;
            onProgress?.(done, kept.length);
          },
        },
      );
      return new EmbeddingIndex(kept, packVectors(keys, cache), endpoint, cache, queryPrefix);
    });
  }

  /**
   * The `count` passages most similar to the query, best first. The score is the cosine, -1 … 1.
   *
   * @throws SwirlError ENDPOINT when the query cannot be embedded, or the server's model has changed; ABORTED.
   */
  async search(query: string, count: number, options: { signal?: AbortSignal } = {}): Promise<Hit[]> {
    const vector = await this.#queryVector(`${this.queryPrefix}${query}`, options);
    const size = vector.length;
    if (size * this.passages.length !== this.vectors.length) {
      throw new SwirlError(
        "ENDPOINT",
        `a query's embedding has a different size (${size}) from the passages' embeddings`,
        {
          remedy: "did the server change its model? build the index again",
        },
      );
    }
    const scored = this.passages.map((passage, i) => {
      let score = 0;
      for (let k = 0, at = i * size; k < size; k++, at++) score += vector[k]! * this.vectors[at]!;
      return { passage, score };
    });
    return scored.sort((a, b) => b.score - a.score).slice(0, count);
  }

  async #queryVector(text: string, options: { signal?: AbortSignal }): Promise<Float32Array> {
    const key = VectorCache.key(this.endpoint.id, text);
    const known = this.cache.get(key);
    if (known) return known;
    const [vector] = await this.endpoint.embed([text], options);
    await this.cache.add([[key, vector!]]);
    return vector!;
  }
}

function packVectors(keys: readonly string[], cache: VectorCache): Float32Array {
  const size = cache.dimensions ?? 0;
  const packed = new Float32Array(keys.length * size);
  for (const [i, key] of keys.entries()) packed.set(cache.get(key)!, i * size);
  return packed;
}
