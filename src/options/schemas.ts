/** zod schemas for the parts that every stage's options share: a signal and callbacks. */

import { z } from "zod";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";

export const signalSchema = z.custom<AbortSignal>((value) => value instanceof AbortSignal, {
  message: "must be an AbortSignal",
});

/** The option `name`. A callback that throws, or returns a promise that rejects, gives a CONFIG error that names it. */
export function callback<Event>(name: string) {
  return z
    .custom<(event: Event) => unknown>((value) => typeof value === "function", {
      message: "must be a function",
    })
    .transform((call) => guardedCallback(name, call));
}

/**
 * A rejection reaches whoever awaits the returned promise. Where nobody does, it is thrown at the next call: it never
 * becomes an unhandled rejection.
 */
function guardedCallback<Event>(name: string, call: (event: Event) => unknown) {
  let rejected: SwirlError | undefined;
  return (event: Event): void | Promise<void> => {
    if (rejected) throw rejected;
    let result: unknown;
    try {
      result = call(event);
    } catch (cause) {
      throw callbackError(name, cause);
    }
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") return;
    const settled = Promise.resolve(result).then(
      () => {},
      (cause: unknown) => {
        rejected = callbackError(name, cause);
        throw rejected;
      },
    );
    settled.catch(() => {});
    return settled;
  };
}

/** A SwirlError passes as it is. */
export function callbackError(name: string, cause: unknown): SwirlError {
  if (SwirlError.isInstance(cause)) return cause;
  const message = messageOf(cause);
  return new SwirlError("CONFIG", `${name} threw: ${message}`, {
    remedy: `catch errors inside ${name}, or fix it; finished work is kept`,
    details: { field: name },
    cause,
  });
}
