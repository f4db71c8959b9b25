/** Embeddings from an OpenAI-compatible `/v1/embeddings`: batched, retried with back-off, no key in any message. */
import OpenAI from "openai";
import pLimit from "p-limit";
import { z } from "zod";
import { abortedError } from "../../async/map-concurrent.js";
import { classifyEndpointError, endpointError, Redactor } from "../../endpoint/endpoint-errors.js";
import { endpointOptionsSchema } from "../../endpoint/endpoint-options.js";
import { withRetries } from "../../endpoint/retry.js";
import { SwirlError } from "../../errors/swirl-error.js";
import { parseOptions } from "../../options/parse-options.js";

/** The connection's options are those of an endpoint policy. */
export const embeddingEndpointSchema = endpointOptionsSchema
  .pick({
    baseURL: true,
    model: true,
    apiKey: true,
    headers: true,
    timeoutMs: true,
    deadlineMs: true,
    maxRetries: true,
    retryBaseMs: true,
    retryMaxMs: true,
  })
  .extend({
    /** Requests in flight at once. */
    concurrency: z.int().min(1).default(4),
    /** Texts in one request. */
    batchSize: z.int().min(1).max(2_048).default(64),
    /** Sent where given; models that can shorten their vectors need it. */
    dimensions: z.int().min(1).optional(),
  });

export type EmbeddingEndpointOptions = z.input<typeof embeddingEndpointSchema>;

const replySchema = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.array(z.number()).min(1) })),
});

export class EmbeddingEndpoint {
  /** Names host, model and size: vectors of different ids do not compare. */
  readonly id: string;
  readonly #options: z.output<typeof embeddingEndpointSchema>;
  readonly #client: OpenAI;
  readonly #redact: Redactor;
  readonly #host: string;
  readonly #limit: ReturnType<typeof pLimit>;

  constructor(input: EmbeddingEndpointOptions) {
    const options = parseOptions(embeddingEndpointSchema, input, "embeddings");
    const url = new URL(options.baseURL);
    if (url.username !== "" || url.password !== "") {
      throw new SwirlError("CONFIG", `baseURL of ${url.host} holds credentials`, {
        remedy: "pass them as apiKey or headers, so that they stay out of records",
        details: { field: "baseURL" },
      });
    }
    const apiKey =
      options.apiKey ?? (url.hostname === "api.openai.com" ? process.env.OPENAI_API_KEY : undefined);
    this.#options = options;
    this.#host = url.host;
    this.id = `${url.host}${url.pathname.replace(/\/$/, "")}#${options.model}${options.dimensions ? `/${options.dimensions}` : ""}`;
    this.#redact = new Redactor([
      ...(apiKey ? [apiKey] : []),
      ...Object.values(options.headers),
      url.search.slice(1),
    ]);
    this.#limit = pLimit(options.concurrency);
    this.#client = new OpenAI({
      baseURL: options.baseURL,
      apiKey: apiKey ?? "none",
      organization: null,
      project: null,
      defaultHeaders: { ...(apiKey ? {} : { Authorization: null }), ...options.headers },
      maxRetries: 0,
      timeout: options.timeoutMs,
      logLevel: "off",
    });
  }

  /**
   * One vector of length 1 a text, in order. `onBatch` sees every batch as it arrives. Rejects with ENDPOINT after the
   * retries, ABORTED on the signal.
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
    return withRetries(this.#options, {
      signal,
      classify: classifyEndpointError,
      fail: (error, spent) =>
        endpointError(error, { host: this.#host, model, redact: this.#redact, ...spent }),
      attempt: async (inner) => {
        const reply = await this.#client.embeddings.create(
          { model, input: [...texts], encoding_format: "float", ...(dimensions && { dimensions }) },
          { signal: inner },
        );
        return readReply(reply, texts.length);
      },
    });
  }
}

/** Throws ENDPOINT, which is tried again, when the reply does not give every text one usable vector. */
function readReply(reply: unknown, count: number): Float32Array[] {
  const parsed = replySchema.safeParse(reply);
  const bad = (what: string) => new SwirlError("ENDPOINT", `the reply ${what}`);
  if (!parsed.success) throw bad(`holds no embeddings: ${parsed.error.issues[0]!.message}`);
  const vectors: (Float32Array | undefined)[] = new Array(count).fill(undefined);
  for (const { index, embedding } of parsed.data.data) {
    if (index >= count) throw bad(`numbers an embedding ${index} of ${count}`);
    vectors[index] = unit(embedding) ?? undefined;
  }
  const missing = vectors.indexOf(undefined);
  if (missing >= 0) throw bad(`has no usable embedding ${missing} of ${count}`);
  return vectors as Float32Array[];
}

/** The vector scaled to length 1; undefined when it has no direction. */
function unit(values: readonly number[]): Float32Array | undefined {
  const length = Math.hypot(...values.map((value) => (Number.isFinite(value) ? value : Number.NaN)));
  if (!(length > 0) || !Number.isFinite(length)) return undefined;
  return Float32Array.from(values, (value) => value / length);
}
