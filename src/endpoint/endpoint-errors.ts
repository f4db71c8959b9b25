/** What went wrong with an endpoint: whether to try again, and what a person should do. Never shows a secret. */
import { APIConnectionError, APIError } from "openai";
import { SwirlError } from "../errors/swirl-error.js";
import { AttemptTimeout, type Disposition, retryAfterMs } from "./retry.js";

/** Replaces secrets in text that came from outside: servers like to repeat the key they refuse. */
export class Redactor {
  readonly #secrets: string[];

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets.filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length);
  }

  apply(text: string): string {
    return this.#secrets.reduce((out, secret) => out.replaceAll(secret, "[redacted]"), text);
  }
}

const RETRIED_STATUS = new Set([408, 409, 425, 429]);

export function classifyEndpointError(error: unknown): Disposition {
  if (error instanceof APIConnectionError) return { retry: true };
  if (error instanceof APIError && typeof error.status === "number") {
    if (error.code === "insufficient_quota") return { retry: false };
    if (!RETRIED_STATUS.has(error.status) && error.status < 500) return { retry: false };
    // llama-cpp-python reports a request it does not understand as its own fault.
    if (/\b\d+ validation errors?:/.test(error.message)) return { retry: false };
    const afterMs = retryAfterMs((name) => error.headers?.get(name));
    return afterMs === undefined ? { retry: true } : { retry: true, afterMs };
  }
  // The reply was cut short, was not JSON, or had no choices: another attempt may be whole.
  if (error instanceof SyntaxError || error instanceof TypeError) return { retry: true };
  if (SwirlError.isInstance(error) && error.code === "ENDPOINT")
    return { retry: error.details.final !== true };
  if (error instanceof APIError) return { retry: true };
  return { retry: false };
}

export interface EndpointFailure {
  host: string;
  model: string;
  redact: Redactor;
  attempts: number;
  milliseconds: number;
  reason: string;
}

export function endpointError(error: unknown, failure: EndpointFailure): SwirlError {
  const { host, model, redact, attempts } = failure;
  const status = error instanceof APIError && typeof error.status === "number" ? error.status : undefined;
  const what = redact.apply(describe(error)).slice(0, 300);
  const seconds = (failure.milliseconds / 1000).toFixed(1);
  const tries = `${attempts} ${attempts === 1 ? "attempt" : "attempts"} in ${seconds} s, ${failure.reason}`;
  return new SwirlError(
    "ENDPOINT",
    `endpoint ${host}, model ${model}: ${status === undefined ? "" : `status ${status}, `}${what} (${tries})`,
    {
      remedy: remedy(error, status, host, model),
      details: { host, model, attempts, ...(status === undefined ? {} : { status }) },
    },
  );
}

function describe(error: unknown): string {
  if (error instanceof AttemptTimeout) return error.message;
  if (error instanceof APIConnectionError) return `no connection: ${rootMessage(error)}`;
  if (error instanceof APIError) return error.message.replace(/^\d{3} /, "");
  if (error instanceof SyntaxError) return `the reply is not whole JSON: ${error.message}`;
  if (error instanceof TypeError)
    return `the connection broke while reading the reply: ${rootMessage(error)}`;
  return error instanceof Error ? error.message : String(error);
}

/** fetch hides the reason ("ECONNREFUSED") in the innermost cause. */
function rootMessage(error: Error): string {
  let inner: Error = error;
  while (inner.cause instanceof Error) inner = inner.cause;
  const code = (inner as NodeJS.ErrnoException).code;
  return code && !inner.message.includes(code)
    ? `${code} ${inner.message}`
    : inner.message || code || error.message;
}

function remedy(error: unknown, status: number | undefined, host: string, model: string): string {
  if (error instanceof AttemptTimeout) return "raise timeoutMs, lower maxNewTokens, or lower concurrency";
  if (status === 401 || status === 403)
    return "check apiKey (for api.openai.com: the variable OPENAI_API_KEY)";
  if (status === 404)
    return `check that baseURL ends in /v1 (or what the server uses) and that it serves "${model}"`;
  if (status === 429) return "lower concurrency, or raise maxRetries and deadlineMs";
  if (status !== undefined && status < 500)
    return "the server refuses the request; its message says which field or size";
  if (error instanceof APIConnectionError)
    return `check that the server runs and that ${host} is reachable from here`;
  return "look into the server's log; raise maxRetries and deadlineMs when it recovers by itself";
}
