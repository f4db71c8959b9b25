/**
 * A progress callback only observes a call: an update that was applied must not reject because the callback threw. The
 * first error, thrown or rejected with, is reported once as a warning of the process (`process.on("warning")`), and the
 * callback is not called again.
 */
import { messageOf } from "../errors/message-of.js";
import type { Call } from "../native/addon.js";

export function watching(
  onProgress: (done: number, total: number) => unknown,
): (done: number, total: number) => void {
  let failed = false;
  const fail = (error: unknown) => {
    if (failed) return;
    failed = true;
    const message = messageOf(error);
    process.emitWarning(`onProgress threw: ${message}. The call continues without it`, {
      code: "SWIRL_ON_PROGRESS",
    });
  };
  return (done, total) => {
    if (failed) return;
    try {
      const result = onProgress(done, total);
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function")
        Promise.resolve(result).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}

/** The signal and the callback of a call, without those that are not set. */
export function watchedCall(
  signal: AbortSignal | undefined,
  onProgress: ((done: number, total: number) => void) | undefined,
): Call {
  return { ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }) };
}
