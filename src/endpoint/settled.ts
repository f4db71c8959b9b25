/** Work that a time limit, a caller or an owner may end early. */
import { AttemptTimeout } from "./retry.js";

/** A timer that fires later than this was held up by work in this process. */
const LATE_MS = 100;

export interface Limits {
  /** Aborted when the work is given up; whoever holds it may abort it too. */
  attempt: AbortController;
  milliseconds: number;
  signals?: readonly (AbortSignal | undefined)[];
}

/**
 * The outcome of the work, or the reason for which `attempt` was aborted: an AttemptTimeout, that of a signal, or that of
 * whoever holds it. A later outcome of the work is dropped.
 */
export async function settled<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { attempt, milliseconds, signals = [] }: Limits,
): Promise<T> {
  const stops = signals.flatMap((signal) => {
    if (!signal) return [];
    const stop = () => attempt.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    return [() => signal.removeEventListener("abort", stop)];
  });
  const due = performance.now() + milliseconds;
  let timer = setTimeout(() => {
    const late = performance.now() - due;
    const expire = () => attempt.abort(new AttemptTimeout(Math.round(milliseconds)));
    // The event loop was blocked: the answer may have come meanwhile, and is read after the timers.
    if (late > LATE_MS) timer = setTimeout(expire, Math.min(late, 1_000));
    else expire();
  }, milliseconds);
  let fire = () => {};
  const aborted = new Promise<never>((_, reject) => {
    fire = () => reject(attempt.signal.reason);
    if (attempt.signal.aborted) fire();
    else attempt.signal.addEventListener("abort", fire, { once: true });
  });
  try {
    if (attempt.signal.aborted) return await aborted;
    const running = work(attempt.signal);
    running.catch(() => {});
    return await Promise.race([running, aborted]);
  } finally {
    clearTimeout(timer);
    for (const stop of stops) stop();
    attempt.signal.removeEventListener("abort", fire);
  }
}
