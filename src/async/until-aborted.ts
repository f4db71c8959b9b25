import { abortedError } from "./map-concurrent.js";

/**
 * The promise's own outcome, or ABORTED as soon as the signal fires, even if the promise never settles. `onAbort` is
 * called once in that case. A later rejection of the promise is ignored.
 */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onAbort: () => void = () => {},
): Promise<T> {
  if (signal === undefined) return await promise;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      onAbort();
      reject(abortedError(signal));
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
