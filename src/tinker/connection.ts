/** How a Tinker server is reached, with the defaults. */
import { z } from "zod";

/** The connection to a server that speaks the Tinker API. */
export interface TinkerConnection {
  /** Address of the server without `/api/v1`: "http://127.0.0.1:8000". Credentials in the URL are refused. */
  baseURL: string;
  /** Sent as X-API-Key, to this server only. Default: the variable TINKER_API_KEY for hosts of thinkingmachines.dev. */
  apiKey?: string | undefined;
  /** Sent with every request. Their values are treated as secrets. @default {} */
  headers?: Record<string, string> | undefined;
  /** Longest time for one HTTP request, in milliseconds; above 0. A result that takes longer is asked for again. @default 60000 */
  timeoutMs?: number | undefined;
  /** Longest time for one call with its retries and the wait for its result, in milliseconds; above 0. @default 1800000 */
  deadlineMs?: number | undefined;
  /** Failed attempts in a row before a call gives up; at least 0. @default 8 */
  maxRetries?: number | undefined;
  /** Wait before the first retry, in milliseconds. It doubles with each retry. @default 500 */
  retryBaseMs?: number | undefined;
  /** Longest wait before a retry, in milliseconds. @default 30000 */
  retryMaxMs?: number | undefined;
  /** Longest answer, in bytes. @default 268435456 */
  maxReplyBytes?: number | undefined;
  /** Time between two heartbeats of the session, in milliseconds; servers drop a session after some minutes. @default 10000 */
  heartbeatMs?: number | undefined;
}

export const connectionShape = {
  baseURL: z.url({ protocol: /^https?$/, error: "must be an http(s) URL such as http://127.0.0.1:8000" }),
  apiKey: z.string().min(1).optional(),
  headers: z.record(z.string(), z.string()).default({}),
  timeoutMs: z.number().positive().default(60_000),
  deadlineMs: z.number().positive().default(1_800_000),
  maxRetries: z.int().min(0).default(8),
  retryBaseMs: z.number().min(0).default(500),
  retryMaxMs: z.number().min(0).default(30_000),
  maxReplyBytes: z
    .int()
    .min(1)
    .default(256 * 1024 * 1024),
  heartbeatMs: z.number().positive().default(10_000),
};

const connectionSchema = z.object(connectionShape);
export type ResolvedConnection = z.output<typeof connectionSchema>;
