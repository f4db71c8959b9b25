/**
 * One HTTP request to a Tinker server: JSON in, checked JSON out.
 *
 * The key goes to `baseURL`'s origin alone: a redirect elsewhere is refused. Retried are 408, 425, 429, 5xx, broken
 * connections and broken JSON, with exponential back-off; Retry-After wins. A request that must not be executed twice says
 * so (`once`): it is sent again only after an answer that shows it was not taken.
 */
import type { z } from "zod";
import { abortedError, throwIfAborted } from "../async/map-concurrent.js";
import { boundedFetch } from "../endpoint/bounded-fetch.js";
import { redactorOf } from "../endpoint/endpoint-secrets.js";
import { type Disposition, retryAfterMs, withRetries } from "../endpoint/retry.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { ResolvedConnection } from "./connection.js";
import { type Failure, StatusError, tinkerError } from "./tinker-errors.js";

/** Of a request, and of the wait for its result. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** The request must not reach the server twice. @default false */
  once?: boolean;
}

/** Statuses that say that the request was not taken. */
const NOT_TAKEN = new Set([425, 429]);

export class TinkerHttp {
  readonly host: string;
  readonly options: ResolvedConnection;
  /** HTTP requests sent, and those sent again after a failure. */
  readonly stats = { requests: 0, retries: 0 };
  readonly #base: URL;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof fetch;
  readonly #redact: (text: string) => string;

  /** Throws CONFIG for a URL with credentials. */
  constructor(options: ResolvedConnection) {
    const url = new URL(options.baseURL);
    if (url.username !== "" || url.password !== "")
      throw new SwirlError("CONFIG", `baseURL of ${url.host} holds credentials`, {
        remedy: "pass them as apiKey or headers, so that they stay out of records",
        details: { field: "baseURL" },
      });
    const hosted = url.hostname === "thinkingmachines.dev" || url.hostname.endsWith(".thinkingmachines.dev");
    const apiKey = options.apiKey ?? (hosted ? process.env.TINKER_API_KEY : undefined);
    url.pathname = `${url.pathname.replace(/\/+$/, "").replace(/\/api\/v1$/, "")}/api/v1/`;
    this.#base = url;
    this.host = url.host;
    this.options = options;
    this.#headers = { ...(apiKey === undefined ? {} : { "x-api-key": apiKey }), ...options.headers };
    this.#redact = redactorOf({ url, apiKey, headers: options.headers });
    this.#fetch = boundedFetch(url, options.maxReplyBytes);
  }

  failure(call: string): Failure {
    return { host: this.host, call, redact: this.#redact };
  }

  /** One call with its retries. Rejects with ENDPOINT, ABORTED. */
  async call<Schema extends z.ZodType>(
    call: string,
    body: object | undefined,
    schema: Schema,
    { signal, once = false }: CallOptions = {},
  ): Promise<z.output<Schema>> {
    const { timeoutMs } = this.options;
    let sent = 0;
    return await withRetries(
      // What must not be sent twice has a timeout of its own below: the loop would try again after its own.
      { ...this.options, timeoutMs: once ? Number.POSITIVE_INFINITY : timeoutMs },
      {
        ...(signal ? { signal } : {}),
        attempt: async (attemptSignal) => {
          if (sent++ > 0) this.stats.retries++;
          const limit = once
            ? AbortSignal.any([attemptSignal, AbortSignal.timeout(timeoutMs)])
            : attemptSignal;
          return this.read(call, await this.send(call, body, limit), schema);
        },
        classify: (error) => dispositionOf(error, once),
        fail: (error, spent) => tinkerError(error, { ...this.failure(call), ...spent }),
      },
    );
  }

  /** One attempt. Rejects with StatusError for a status that is no success, SyntaxError for broken JSON, TypeError without a connection. */
  async send(call: string, body: object | undefined, signal: AbortSignal): Promise<unknown> {
    throwIfAborted(signal);
    this.stats.requests++;
    const response = await this.#fetch(new URL(call, this.#base), {
      method: body === undefined ? "GET" : "POST",
      headers: { accept: "application/json", "content-type": "application/json", ...this.#headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    const text = await response.text();
    if (!response.ok)
      throw new StatusError(
        response.status,
        wordsOf(text),
        retryAfterMs((name) => response.headers.get(name)),
      );
    return JSON.parse(text);
  }

  /** Checks an answer. Throws ENDPOINT naming the field. */
  read<Schema extends z.ZodType>(call: string, value: unknown, schema: Schema): z.output<Schema> {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0]!;
    throw new SwirlError(
      "ENDPOINT",
      `trainer ${this.host}: the answer to ${call} is not what the Tinker API says: ${issue.path.join(".") || "the whole answer"}: ${issue.message}`,
      {
        remedy: "check that baseURL is a server of the Tinker API, and its version: docs/cluster.md",
        details: { host: this.host, call, field: issue.path.join("."), trainer: true, final: true },
      },
    );
  }
}

function dispositionOf(error: unknown, once: boolean): Disposition {
  if (SwirlError.isInstance(error)) return { retry: false };
  if (error instanceof StatusError) {
    const { status, afterMs } = error;
    const again = NOT_TAKEN.has(status) || (!once && (status === 408 || status >= 500));
    return again ? { retry: true, ...(afterMs === undefined ? {} : { afterMs }) } : { retry: false };
  }
  // No connection, or one that broke before the answer was whole: refused connections never reached the server.
  const refused = causeCode(error) === "ECONNREFUSED";
  return { retry: refused || (!once && (error instanceof SyntaxError || error instanceof TypeError)) };
}

function causeCode(error: unknown): string | undefined {
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return (inner as NodeJS.ErrnoException | undefined)?.code;
}

/** The words of an error: FastAPI has `detail`, others `error` or `message`. boundedFetch puts them below `error`. */
function wordsOf(text: string): string {
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  for (let depth = 0; depth < 4 && typeof value === "object" && value !== null; depth++) {
    const { error, detail, message } = value as Record<string, unknown>;
    value = error ?? detail ?? message ?? JSON.stringify(value);
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Waits, or throws ABORTED as soon as the signal fires. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(abortedError(signal!));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
