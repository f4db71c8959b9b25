/**
 * The result of a call that the server accepted, by `retrieve_future`. Servers do it in two ways, told apart by the answer:
 * they hold the request until the result is there (408: ask again), or answer at once (`{type: "try_again"}`: ask again
 * later). An attempt that gets no answer is repeated as long as the deadline allows, since asking changes nothing.
 *
 * 410 and 404: the server does not have the result, or not any more. Where the request may be repeated it is submitted
 * again, otherwise the result is lost, which is an error.
 */
import type { z } from "zod";
import { throwIfAborted } from "../async/map-concurrent.js";
import { AttemptTimeout, backoffDelay } from "../endpoint/retry.js";
import { SwirlError } from "../errors/swirl-error.js";
import { failedSchema, pendingSchema } from "./messages.js";
import { failedRequest, lostResult, StatusError, tinkerError } from "./tinker-errors.js";
import { pause, type TinkerHttp } from "./tinker-http.js";

/** An answer faster than this did not hold the request: the next one waits. */
const HELD_MS = 1_000;
const FIRST_POLL_MS = 20;
const SLOWEST_POLL_MS = 2_000;
/** How often one request is submitted again. */
const RESUBMISSIONS = 3;

export interface Pending<Schema extends z.ZodType> {
  /** The call whose result it is, for errors. */
  call: string;
  requestId: string;
  schema: Schema;
  /** Submits the same request again and resolves to its id. Absent where it must not be executed twice. */
  resubmit?: (() => Promise<string>) | undefined;
  signal?: AbortSignal | undefined;
  /** Failed attempts in a row; the connection's by default. */
  retries?: number | undefined;
}

/** Rejects with ENDPOINT when the request failed or its result is lost, ABORTED. */
export async function retrieve<Schema extends z.ZodType>(
  http: TinkerHttp,
  { call, requestId, schema, resubmit, signal, retries }: Pending<Schema>,
): Promise<z.output<Schema>> {
  const { timeoutMs, deadlineMs, retryBaseMs, retryMaxMs } = http.options;
  const maxRetries = retries ?? http.options.maxRetries;
  const start = performance.now();
  const failure = http.failure(call);
  let id = requestId;
  let polls = 0;
  let failures = 0;
  let resubmitted = 0;
  for (let attempts = 1; ; attempts++) {
    throwIfAborted(signal);
    const asked = performance.now();
    const spent = asked - start;
    if (spent > deadlineMs)
      throw tinkerError(new AttemptTimeout(deadlineMs), {
        ...failure,
        attempts,
        milliseconds: spent,
        reason: "deadline reached",
      });
    let error: unknown;
    try {
      const answer = await ask(http, id, Math.min(timeoutMs, deadlineMs - spent + 1), signal);
      if (!pendingSchema.safeParse(answer).success) {
        const failed = failedSchema.safeParse(answer);
        if (failed.success) throw failedRequest(failed.data.error, failure);
        return http.read(call, answer, schema);
      }
      failures = 0;
    } catch (caught) {
      throwIfAborted(signal);
      if (SwirlError.isInstance(caught)) throw tinkerError(caught, failure);
      error = caught;
    }
    if (error === undefined || (error instanceof StatusError && error.status === 408)) {
      failures = 0;
      if (performance.now() - asked < HELD_MS)
        await pause(
          backoffDelay(polls++, { retryBaseMs: FIRST_POLL_MS, retryMaxMs: SLOWEST_POLL_MS }),
          signal,
        );
      continue;
    }
    if (error instanceof AttemptTimeout) continue; // held for longer than a request may take
    if (error instanceof StatusError) {
      const { status, words, afterMs } = error;
      if (status === 410 || status === 404) {
        if (resubmit === undefined || resubmitted++ === RESUBMISSIONS) throw lostResult(failure);
        id = await resubmit();
        continue;
      }
      // A 400 without words comes from a proxy on the way.
      if (status === 400 && words !== "") throw failedRequest(words, failure);
      const again = status === 400 || status === 425 || status === 429 || status >= 500;
      if (!again) throw tinkerError(error, failure);
      if (status === 429) failures = Math.min(failures, maxRetries - 1);
      if (afterMs !== undefined && failures < maxRetries) {
        failures++;
        await pause(afterMs, signal);
        continue;
      }
    }
    if (failures >= maxRetries)
      throw tinkerError(error, {
        ...failure,
        attempts,
        milliseconds: performance.now() - start,
        reason: "retries used up",
      });
    await pause(backoffDelay(failures++, { retryBaseMs, retryMaxMs }), signal);
  }
}

async function ask(
  http: TinkerHttp,
  requestId: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
  try {
    return await http.send(
      "retrieve_future",
      { request_id: requestId },
      signal ? AbortSignal.any([signal, timeout]) : timeout,
    );
  } catch (error) {
    if (timeout.aborted && !signal?.aborted) throw new AttemptTimeout(Math.round(timeoutMs));
    throw error;
  }
}
