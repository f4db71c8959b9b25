/** What went wrong with an endpoint: whether to try again, and what a person should do. Never shows a secret. */

import { APIConnectionError, APIError } from "openai";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import { AttemptTimeout, type Disposition, retryAfterMs } from "./retry.js";

const RETRIED_STATUS = new Set([408, 409, 425, 429]);
/** Maximum characters of the server's message that an error shows, after secrets are removed. */
const SHOWN = 300;
const READ = 20_000;

export function classifyEndpointError(error: unknown): Disposition {
  const own = ownError(error);
  if (own) return { retry: own.code === "ENDPOINT" && own.details.final !== true };
  if (error instanceof APIConnectionError) return { retry: true };
  if (error instanceof APIError && typeof error.status === "number") {
    if (error.code === "insufficient_quota") return { retry: false };
    if (!RETRIED_STATUS.has(error.status) && error.status < 500) return { retry: false };
    // llama-cpp-python reports a request it does not understand as its own fault.
    if (/\b\d+ validation errors?:/.test(error.message)) return { retry: false };
    const afterMs = retryAfterMs((name) => error.headers?.get(name));
    return afterMs === undefined ? { retry: true } : { retry: true, afterMs };
  }
  // The reply was cut short or was not JSON, or the connection broke: another attempt may be whole.
  if (error instanceof SyntaxError || error instanceof TypeError) return { retry: true };
  if (error instanceof APIError) return { retry: true };
  return { retry: false };
}

/** The error in a reply of status 200, with code ENDPOINT; undefined when there is none. */
export function errorInReply(reply: Readonly<Record<string, unknown>>): SwirlError | undefined {
  const error = reply.error || (reply.object === "error" ? reply : undefined);
  if (!error) return undefined;
  const { code, status } = error as Record<string, unknown>;
  const given = code ?? status;
  const number = typeof given === "number" || typeof given === "string" ? Number(given) : Number.NaN;
  const final = number >= 400 && number < 500 && !RETRIED_STATUS.has(number);
  return new SwirlError("ENDPOINT", `the server reports an error: ${serverWords(error)}`, {
    details: { final },
  });
}

/** The message of an error object, or the whole of it. */
export function serverWords(error: unknown): string {
  const message = typeof error === "object" && error !== null && "message" in error ? error.message : error;
  return typeof message === "string" ? message : JSON.stringify(error);
}

export interface EndpointFailure {
  host: string;
  model: string;
  redact: (message: string) => string;
  attempts: number;
  milliseconds: number;
  reason: string;
}

/**
 * An ENDPOINT error. A CONFIG error, which every later request would get too, keeps its code; only secrets are removed.
 */
export function endpointError(error: unknown, failure: EndpointFailure): SwirlError {
  const { host, model, redact, attempts } = failure;
  const own = ownError(error);
  const status = error instanceof APIError && typeof error.status === "number" ? error.status : undefined;
  const what = redact((own ? withoutRemedy(own) : describe(error)).slice(0, READ)).slice(0, SHOWN);
  const advice = redact(own?.remedy ?? remedy(error, status, what, host, model));
  const seconds = (failure.milliseconds / 1000).toFixed(1);
  const tries = `${attempts} ${attempts === 1 ? "attempt" : "attempts"} in ${seconds} s, ${failure.reason}`;
  return new SwirlError(
    own?.code === "CONFIG" ? "CONFIG" : "ENDPOINT",
    `endpoint ${host}, model ${model}: ${status === undefined ? "" : `status ${status}, `}${what} (${tries})`,
    {
      remedy: advice,
      details: { host, model, attempts, ...own?.details, ...(status === undefined ? {} : { status }) },
    },
  );
}

/** Our own error, also where the client wrapped it as the cause of a failed connection. */
function ownError(error: unknown): SwirlError | undefined {
  if (SwirlError.isInstance(error)) return error;
  return error instanceof APIConnectionError && SwirlError.isInstance(error.cause) ? error.cause : undefined;
}

/** The message without the remedy that ends it. */
function withoutRemedy(error: SwirlError): string {
  return error.remedy === undefined ? error.message : error.message.replace(`\n  → ${error.remedy}`, "");
}

/** What went wrong, in one line. It may hold secrets. */
export function describe(error: unknown): string {
  if (error instanceof AttemptTimeout) return error.message;
  if (error instanceof APIConnectionError) return `no connection: ${rootMessage(error)}`;
  if (error instanceof APIError) return error.message.replace(/^\d{3} /, "");
  if (error instanceof SyntaxError) return `the reply is not complete JSON: ${error.message}`;
  if (error instanceof TypeError)
    return `the connection broke while reading the reply: ${rootMessage(error)}`;
  return messageOf(error);
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

function remedy(
  error: unknown,
  status: number | undefined,
  what: string,
  host: string,
  model: string,
): string {
  if (error instanceof AttemptTimeout) return "raise timeoutMs, lower maxNewTokens, or lower concurrency";
  if (status === 401 || status === 403)
    return "check apiKey (for api.openai.com: the variable OPENAI_API_KEY)";
  if (status === 404)
    return `check that baseURL ends in /v1 (or what the server uses) and that it serves "${model}"`;
  if (status === 429) return "lower concurrency, or raise maxRetries and deadlineMs";
  if (status === 400 && isLimitReached(what))
    return "raise maxNewTokens: a model's thinking tokens count as well";
  if (status !== undefined && status < 500)
    return "the server refuses the request; its message says which field or size";
  if (error instanceof APIConnectionError)
    return `check that the server runs and that ${host} is reachable from here`;
  return "check the server's log; raise maxRetries and deadlineMs if it recovers by itself";
}

/** OpenAI answers 400 instead of an unfinished reply when a reasoning model used up the whole limit. */
export function isLimitReached(message: string): boolean {
  return /could not finish the message/i.test(message);
}
