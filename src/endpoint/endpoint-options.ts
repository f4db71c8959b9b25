/** Options of Policy.connect, with their defaults. Unknown keys are an error. */
import { z } from "zod";

/** How a model server is reached: shared by {@link EndpointOptions} and {@link EmbeddingIndexOptions}. */
export interface EndpointConnection {
  /**
   * The address up to and including the version: "http://127.0.0.1:8000/v1". A query in it is sent with every request:
   * "…/openai/deployments/NAME?api-version=2024-10-21". Credentials in the URL are refused.
   */
  baseURL: string;
  /** The model's name on the server; not empty. */
  model: string;
  /** Sent as a bearer token. Default: the variable OPENAI_API_KEY for api.openai.com, none elsewhere. */
  apiKey?: string | undefined;
  /** Sent with every request, such as Azure's "api-key". Their values are treated as secrets. @default {} */
  headers?: Record<string, string> | undefined;
  /** Longest time for one attempt, from the request to the last byte of the reply, in milliseconds; above 0. @default 120000 */
  timeoutMs?: number | undefined;
  /** Longest reply, in bytes after decompression, at least 1. A longer one fails and is not retried. @default 67108864 */
  maxReplyBytes?: number | undefined;
  /**
   * Longest time for one request with all its retries, in milliseconds; above 0. The wait for a free slot is not counted.
   * @default 600000
   */
  deadlineMs?: number | undefined;
  /**
   * Retries after 408, 409, 425, 429, 5xx, a network error, a timeout, and a reply that is not JSON or is unfinished; at
   * least 0.
   * @default 6
   */
  maxRetries?: number | undefined;
  /** Wait before the first retry, in milliseconds, at least 0. It doubles with each retry. @default 500 */
  retryBaseMs?: number | undefined;
  /** Longest wait before a retry, in milliseconds, at least 0. @default 30000 */
  retryMaxMs?: number | undefined;
}

/** Options of `Policy.connect`. */
export interface EndpointOptions extends EndpointConnection {
  /** Requests in flight at once, over all callers of this policy, at least 1. @default 8 */
  concurrency?: number | undefined;
  /** Context length in tokens, at least 1. Default: what the server reports, else unlimited. */
  contextLength?: number | undefined;
  /** Maximum tokens per action when the caller sets none, at least 1. @default 512 */
  maxNewTokens?: number | undefined;
  /**
   * The request field that carries the token limit. When a server refuses it, the other one is tried.
   * Default: "max_completion_tokens" for api.openai.com, "max_tokens" elsewhere.
   */
  maxTokensField?: "max_tokens" | "max_completion_tokens" | undefined;
  /**
   * Further fields of the request body, for servers with options of their own: `{ repeat_penalty: 1 }`. They replace
   * ours; null leaves a field out: `{ temperature: null, top_p: null }`.
   * @default {}
   */
  extraBody?: Record<string, unknown> | undefined;
  /** Ask the server for one token at the start, so that a wrong URL, key or model fails then. @default true */
  probe?: boolean | undefined;
}

export const endpointOptionsSchema = z.strictObject({
  baseURL: z.url({ protocol: /^https?$/, error: "must be an http(s) URL such as http://127.0.0.1:8000/v1" }),
  model: z.string().min(1),
  apiKey: z.string().min(1).optional(),
  headers: z.record(z.string(), z.string()).default({}),
  timeoutMs: z.number().positive().default(120_000),
  maxReplyBytes: z
    .int()
    .min(1)
    .default(64 * 1024 * 1024),
  deadlineMs: z.number().positive().default(600_000),
  maxRetries: z.int().min(0).default(6),
  retryBaseMs: z.number().min(0).default(500),
  retryMaxMs: z.number().min(0).default(30_000),
  concurrency: z.int().min(1).default(8),
  contextLength: z.int().min(1).optional(),
  maxNewTokens: z.int().min(1).default(512),
  maxTokensField: z.enum(["max_tokens", "max_completion_tokens"]).optional(),
  extraBody: z.record(z.string(), z.unknown()).default({}),
  probe: z.boolean().default(true),
});

export type ResolvedEndpointOptions = z.output<typeof endpointOptionsSchema>;
