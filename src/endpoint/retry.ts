/**
 * One call to a remote service, made reliable: attempts with a deadline each, a deadline over all of them, and
 * exponential back-off with jitter between. Retry-After wins over our own delay. Every wait ends at once on abort.
 *
 * The caller's `attempt` runs until it settles or its signal fires; a late result of an attempt that was given up is
 * dropped, so a call yields exactly one result.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../async/map-concurrent.js";

export interface RetryOptions {
  maxRetries: number; // attempts beyond the first
  timeoutMs: number; // per attempt, reading the body included
  deadlineMs: number; // over all attempts and waits
  retryBaseMs: number; // first delay; doubles with every retry
  retryMaxMs: number; // longest delay that the client chooses
}

/** What an error means for the loop. `afterMs` is the delay that the server asks for. */
export type Disposition = { retry: false } | { retry: true; afterMs?: number };

export interface RetryCall<T> {
  attempt: (signal: AbortSignal, index: number) => Promise<T>;
  classify: (error: unknown) => Disposition;
  /** Turns the last error into the one thrown. `spent` holds the number of attempts and the total time. */
  fail: (error: unknown, spent: { attempts: number; milliseconds: number; reason: string }) => Error;
  onRetry?: (error: unknown, delayMs: number) => void;
  signal?: AbortSignal;
}

export class AttemptTimeout extends Error {
  constructor(readonly timeoutMs: number) {
    super(`no complete answer within ${timeoutMs} ms`);
  }
}

/** Delay before retry `index` (0-based): base · 2^index, capped, then jittered into [½, 1] of itself. */
export function backoffDelay(
  index: number,
  options: Pick<RetryOptions, "retryBaseMs" | "retryMaxMs">,
  random = Math.random(),
): number {
  const full = Math.min(options.retryMaxMs, options.retryBaseMs * 2 ** index);
  return full * (0.5 + 0.5 * random);
}

/** Milliseconds a Retry-After (seconds or HTTP date) or retry-after-ms header asks for; undefined when neither is usable. */
export function retryAfterMs(
  header: (name: string) => string | null | undefined,
  now = Date.now(),
): number | undefined {
  const milliseconds = Number.parseFloat(header("retry-after-ms") ?? "");
  if (milliseconds >= 0) return milliseconds;
  const text = header("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number.parseFloat(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

export async function withRetries<T>(options: RetryOptions, call: RetryCall<T>): Promise<T> {
  const start = performance.now();
  const spent = () => performance.now() - start;
  for (let index = 0; ; index++) {
    throwIfAborted(call.signal);
    const left = options.deadlineMs - spent();
    const outcome = await attemptWithin(Math.min(options.timeoutMs, left), call, index);
    if ("value" in outcome) return outcome.value;
    throwIfAborted(call.signal);

    const { error } = outcome;
    const give = (reason: string) => call.fail(error, { attempts: index + 1, milliseconds: spent(), reason });
    const disposition: Disposition = error instanceof AttemptTimeout ? { retry: true } : call.classify(error);
    if (!disposition.retry) throw give("not retryable");
    if (index >= options.maxRetries) throw give("retries used up");
    const delay = disposition.afterMs ?? backoffDelay(index, options);
    if (spent() + delay >= options.deadlineMs) {
      throw give(
        disposition.afterMs === undefined
          ? "deadline reached"
          : `the server asks to wait ${Math.ceil(delay)} ms, past the deadline`,
      );
    }
    call.onRetry?.(error, delay);
    await sleep(delay, undefined, call.signal ? { signal: call.signal } : {}).catch(() =>
      throwIfAborted(call.signal),
    );
  }
}

/** Settles by the timeout or the abort even when `attempt` ignores its signal. */
function attemptWithin<T>(
  milliseconds: number,
  call: RetryCall<T>,
  index: number,
): Promise<{ value: T } | { error: unknown }> {
  const controller = new AbortController();
  return new Promise((resolve) => {
    const settle = (outcome: { value: T } | { error: unknown }) => {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", onAbort);
      resolve(outcome);
      if ("error" in outcome) controller.abort();
    };
    const onAbort = () => settle({ error: call.signal?.reason });
    const timer = setTimeout(
      () => settle({ error: new AttemptTimeout(Math.round(milliseconds)) }),
      milliseconds,
    );
    call.signal?.addEventListener("abort", onAbort, { once: true });
    call.attempt(controller.signal, index).then(
      (value) => settle({ value }),
      (error: unknown) => settle({ error }),
    );
  });
}
