/** Embeddings from an OpenAI-compatible `/v1/embeddings`. Requests are batched and retried; no message holds the key. */
import pLimit from "p-limit";
import { z } from "zod";
import { abortedError } from "../../async/map-concurrent.js";
import { type EndpointClient, endpointClient } from "../../endpoint/endpoint-client.js";
import { classifyEndpointError, endpointError, errorInReply } from "../../endpoint/endpoint-errors.js";
import { type EndpointConnection, endpointOptionsSchema } from "../../endpoint/endpoint-options.js";
import { withRetries } from "../../endpoint/retry.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { parseOptions } from "../../options/parse-options.js";

/** The connection of an {@link EmbeddingIndex}. */
export interface EmbeddingEndpointOptions extends EndpointConnection {
  /** Requests in flight at once, at least 1. @default 4 */
  concurrency?: number | undefined;
  /** Texts per request, 1 … 2,048. @default 64 */
  batchSize?: number | undefined;
  /** Numbers per vector, at least 1, for models that can shorten their vectors. Default: the model's own size. */
  dimensions?: number | undefined;
}

export const embeddingEndpointSchema = endpointOptionsSchema
  .pick({
    baseURL: true,
    model: true,
    apiKey: true,
    headers: true,
    timeoutMs: true,
    maxReplyBytes: true,
    deadlineMs: true,
    maxRetries: true,
    retryBaseMs: true,
    retryMaxMs: true,
  })
  .extend({
    concurrency: z.int().min(1).default(4),
    batchSize: z.int().min(1).max(2_048).default(64),
    dimensions: z.int().min(1).optional(),
  });

const replySchema = z.object({
  data: z.array(z.object({ index: z.int().min(0).optional(), embedding: z.array(z.number()).min(1) })),
});

export class EmbeddingEndpoint {
  /** Names host, model and size: vectors of different ids cannot be compared. */
  readonly id: string;
  readonly #options: z.output<typeof embeddingEndpointSchema>;
  readonly #endpoint: EndpointClient;
  readonly #limit: ReturnType<typeof pLimit>;

  /** @throws SwirlError CONFIG for bad options. */
  constructor(input: EmbeddingEndpointOptions) {
    const options = parseOptions(embeddingEndpointSchema, input, "embeddings");
    this.#options = options;
    this.#endpoint = endpointClient(options);
    this.id = `${this.#endpoint.id}${options.dimensions ? `/${options.dimensions}` : ""}`;
    this.#limit = pLimit(options.concurrency);
  }

  /**
   * One vector of length 1 per text, in order. `onBatch` gets every batch as it arrives.
   *
   * @throws SwirlError ENDPOINT after the retries, ABORTED.
   */
  async embed(
    texts: readonly string[],
    options: {
      signal?: AbortSignal;
      onBatch?: (start: number, vectors: Float32Array[]) => Promise<void>;
    } = {},
  ): Promise<Float32Array[]> {
    const { batchSize } = this.#options;
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    const starts = Array.from({ length: Math.ceil(texts.length / batchSize) }, (_, i) => i * batchSize);
    try {
      const batches = await Promise.all(
        starts.map((start) =>
          this.#limit(async () => {
            const vectors = await this.#request(texts.slice(start, start + batchSize), signal);
            await options.onBatch?.(start, vectors);
            return vectors;
          }),
        ),
      );
      return batches.flat();
    } catch (error) {
      stop.abort(); // no further batch is sent for a call that failed
      throw options.signal?.aborted ? abortedError(options.signal) : error;
    }
  }

  async #request(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    const { model, dimensions } = this.#options;
    const { client, host, redact } = this.#endpoint;
    return withRetries(this.#options, {
      signal,
      classify: classifyEndpointError,
      fail: (error, spent) => endpointError(error, { host, model, redact, ...spent }),
      attempt: async (inner) => {
        const reply: unknown = await client.embeddings.create(
          { model, input: [...texts], encoding_format: "float", ...(dimensions && { dimensions }) },
          { signal: inner },
        );
        return readReply(reply, texts.length);
      },
    });
  }
}

/** @throws SwirlError ENDPOINT unless every text has one usable vector; `final` when the shape of the reply is wrong. */
function readReply(raw: unknown, count: number): Float32Array[] {
  const reply: unknown = typeof raw === "string" ? JSON.parse(raw) : raw; // a SyntaxError is retried
  const error = typeof reply === "object" && reply !== null && errorInReply(reply as Record<string, unknown>);
  if (error) throw error;
  const parsed = replySchema.safeParse(reply);
  const bad = (what: string, final: boolean) =>
    new SwirlError("ENDPOINT", `the reply ${what}`, { details: { final } });
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw bad(`holds no embeddings: ${issue.path.join(".") || "it"}: ${issue.message}`, true);
  }
  const { data } = parsed.data;
  const numbered = data.some(({ index }) => index !== undefined);
  if (!numbered && data.length !== count)
    throw bad(`has ${data.length} embeddings for ${count} texts`, false);
  const vectors: (Float32Array | undefined)[] = new Array(count).fill(undefined);
  for (const [position, { index = numbered ? -1 : position, embedding }] of data.entries()) {
    if (index < 0 || index >= count || vectors[index] !== undefined)
      throw bad(`has a wrong index: data.${position}.index is ${data[position]!.index}`, true);
    vectors[index] = unit(embedding);
  }
  const missing = vectors.indexOf(undefined);
  if (missing >= 0) throw bad(`has no usable embedding ${missing} of ${count}`, false);
  return vectors as Float32Array[];
}

/** The vector scaled to length 1; undefined when it has no direction. */
function unit(values: readonly number[]): Float32Array | undefined {
  const length = Math.hypot(...values.map((value) => (Number.isFinite(value) ? value : Number.NaN)));
  if (!(length > 0) || !Number.isFinite(length)) return undefined;
  return Float32Array.from(values, (value) => value / length);
}
