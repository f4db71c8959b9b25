/** Options of a fleet of servers, with their defaults. Unknown keys are an error. */
import { z } from "zod";
import type { EndpointConnection } from "./endpoint-options.js";
import { endpointOptionsSchema } from "./endpoint-options.js";

/** How a fleet of servers is reached. */
export interface FleetOptions extends Omit<EndpointConnection, "baseURL" | "model"> {
  /**
   * Addresses of the servers, at least one: "http://10.0.0.1:8000". A "/v1" at the end is left out. Credentials in a URL
   * are refused.
   */
  servers: readonly string[];
  /** Calls in flight per server, at least 1. @default 16 */
  concurrency?: number | undefined;
  /**
   * Retries that all calls together have in hand, at least 0. A call that succeeds returns a tenth of one. When none is
   * left, calls fail at once instead of adding to the load of a fleet that cannot answer.
   * @default 1000
   */
  retryBudget?: number | undefined;
  /** Milliseconds between two health checks of a server, at least 10. @default 5000 */
  healthEveryMs?: number | undefined;
  /** Longest time for a health check, in milliseconds; above 0. Two failed ones in a row take a server out. @default 5000 */
  healthTimeoutMs?: number | undefined;
}

const { apiKey, headers, timeoutMs, maxReplyBytes, deadlineMs, maxRetries, retryBaseMs, retryMaxMs } =
  endpointOptionsSchema.shape;

const servers: z.ZodType<readonly string[], readonly string[]> = z
  .array(z.url({ protocol: /^https?$/, error: "must be an http(s) URL such as http://10.0.0.1:8000" }))
  .min(1);

export const fleetShape = {
  servers,
  apiKey,
  headers,
  timeoutMs,
  maxReplyBytes,
  deadlineMs,
  maxRetries,
  retryBaseMs,
  retryMaxMs,
  concurrency: z.int().min(1).default(16),
  retryBudget: z.number().min(0).default(1000),
  healthEveryMs: z.number().min(10).default(5_000),
  healthTimeoutMs: z.number().positive().default(5_000),
};

export const fleetSchema = z.strictObject(fleetShape);
export type ResolvedFleetOptions = z.output<typeof fleetSchema>;
