/** Options of Policy.connect, with their defaults. Unknown keys are an error. */
import { z } from "zod";

export const endpointOptionsSchema = z.strictObject({
  /**
   * Up to and including the version: "http://127.0.0.1:8000/v1". A query is sent with every request
   * ("…/openai/deployments/NAME?api-version=2024-10-21"). Credentials in the URL are refused.
   */
  baseURL: z.url({ protocol: /^https?$/, error: "must be an http(s) URL such as http://127.0.0.1:8000/v1" }),
  model: z.string().min(1),
  /** Sent as a bearer token. For api.openai.com the default is the variable OPENAI_API_KEY, elsewhere none. */
  apiKey: z.string().min(1).optional(),
  /** Sent with every request, such as Azure's "api-key". Their values are treated as secrets. */
  headers: z.record(z.string(), z.string()).default({}),
  /** Longest time for one attempt, from request to the last byte of the reply. */
  timeoutMs: z.number().positive().default(120_000),
  /** Longest reply, in bytes after decompression. A longer one fails; it is not tried again. */
  maxReplyBytes: z
    .int()
    .min(1)
    .default(64 * 1024 * 1024),
  /** Longest time for one request with all its retries, not counting its wait for a free slot. */
  deadlineMs: z.number().positive().default(600_000),
  /** Retries after 408, 409, 425, 429, 5xx, a network error, a timeout, and a reply that is not JSON or is unfinished. */
  maxRetries: z.int().min(0).default(6),
  retryBaseMs: z.number().min(0).default(500),
  retryMaxMs: z.number().min(0).default(30_000),
  /** Requests in flight at once, over all callers of this policy. */
  concurrency: z.int().min(1).default(8),
  /** Tokens; default: what the server says, else unlimited. */
  contextLength: z.int().min(1).optional(),
  /** Tokens an action may have when the caller does not say. */
  maxNewTokens: z.int().min(1).default(512),
  /**
   * The field that carries the limit; default: max_completion_tokens for api.openai.com, max_tokens elsewhere. The other
   * one is tried when a server refuses it.
   */
  maxTokensField: z.enum(["max_tokens", "max_completion_tokens"]).optional(),
  /**
   * Further fields of the request body, for servers with options of their own: { repeat_penalty: 1 }. They replace ours;
   * null leaves a field out: { temperature: null, top_p: null }.
   */
  extraBody: z.record(z.string(), z.unknown()).default({}),
  /** Ask the server for one token at the start, so that a wrong URL, key or model fails now and not at step 1,000. */
  probe: z.boolean().default(true),
});

export type EndpointOptions = z.input<typeof endpointOptionsSchema>;
export type ResolvedEndpointOptions = z.output<typeof endpointOptionsSchema>;
