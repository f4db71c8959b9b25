/**
 * Passages by the cosine of their embeddings with the query's, compared one by one. Vectors come from an
 * OpenAI-compatible `/v1/embeddings` and are cached on disk, so that a corpus is embedded once, and an interrupted
 * embedding of a corpus goes on where it stopped.
 */
import { z } from "zod";
import type { Passage } from "../../data/passage.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { EmbeddingEndpoint, embeddingEndpointSchema } from "./embedding-endpoint.js";
import type { Hit, Retriever } from "./retriever.js";
import { VectorCache } from "./vector-cache.js";

export const embeddingIndexSchema = embeddingEndpointSchema.extend({
  /** Keeps the vectors; default: in memory only. One file for each model. */
  cacheFile: z.string().min(1).optional(),
  /** Put before every text, as some models want: "search_query: ", "search_document: ". */
  queryPrefix: z.string().default(""),
  passagePrefix: z.string().default(""),
});

export type EmbeddingIndexOptions = z.input<typeof embeddingIndexSchema> & {
  signal?: AbortSignal;
  /** Told of passages that have a vector, after every batch. */
  onProgress?: (done: number, total: number) => void;
};

export class EmbeddingIndex implements Retriever {
  private constructor(
    readonly passages: readonly Passage[],
    private readonly vectors: Float32Array, // [passages, dimensions], each of length 1
    private readonly endpoint: EmbeddingEndpoint,
    private readonly cache: VectorCache,
    private readonly queryPrefix: string,
  ) {}

  /** Embeds what the cache does not hold. Rejects with ENDPOINT; what was embedded until then is in the cache. */
  static async build(
    passages: Iterable<Passage> | AsyncIterable<Passage>,
    { signal, onProgress, ...input }: EmbeddingIndexOptions,
  ): Promise<EmbeddingIndex> {
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
  }

  async search(query: string, count: number, options: { signal?: AbortSignal } = {}): Promise<Hit[]> {
    const vector = await this.#queryVector(`${this.queryPrefix}${query}`, options);
    const size = vector.length;
    if (size * this.passages.length !== this.vectors.length) {
      throw new SwirlError("ENDPOINT", `a query's embedding has ${size} numbers, the passages' have others`, {
        remedy: "did the server change its model? build the index again",
      });
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
