/**
 * Maps an iterable with at most `concurrency` calls in flight, yielding results as they finish (not in order).
 *
 * The source is pulled lazily: never more than `concurrency` items ahead of what has finished. When a call throws,
 * the signal aborts, or the consumer stops early, no further item is pulled, the calls in flight are told through
 * their own signal and awaited, and only then does the iteration end: nothing is left running behind the caller.
 */
import { setMaxListeners } from "node:events";
import { SwirlError } from "../errors/swirl-error.js";

export async function* mapConcurrent<Item, Result>(
  source: Iterable<Item> | AsyncIterable<Item>,
  concurrency: number,
  call: (item: Item, signal: AbortSignal) => Promise<Result>,
  signal?: AbortSignal,
): AsyncGenerator<Result, void, undefined> {
  const stop = new AbortController();
  const inner = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  setMaxListeners(0, inner); // every call in flight listens
  const iterator = iterate(source);
  const inFlight = new Map<number, Promise<{ key: number; result: Result }>>();
  let exhausted = false;
  let key = 0;
  try {
    for (;;) {
      throwIfAborted(signal);
      while (!exhausted && inFlight.size < concurrency) {
        const next = await iterator.next();
        throwIfAborted(signal);
        if (next.done) {
          exhausted = true;
          break;
        }
        const mine = key++;
        const running = call(next.value, inner).then((result) => ({ key: mine, result }));
        running.catch(() => {}); // its rejection is taken from the race below, or awaited in finally
        inFlight.set(mine, running);
      }
      if (inFlight.size === 0) return;
      const done = await Promise.race(inFlight.values()).catch((error) => {
        throwIfAborted(signal); // whatever form the call gave to the abort
        throw error;
      });
      inFlight.delete(done.key);
      yield done.result;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(inFlight.values());
    await iterator.return?.();
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

export function abortedError(signal: AbortSignal): SwirlError {
  return new SwirlError("ABORTED", "stopped by its AbortSignal", { cause: signal.reason });
}

function iterate<Item>(source: Iterable<Item> | AsyncIterable<Item>): Iterator<Item> | AsyncIterator<Item> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}
