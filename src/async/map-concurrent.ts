import { setMaxListeners } from "node:events";
import { inspect } from "node:util";
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
  const inFlight = new Map<number, Promise<Event<Item, Result>>>();
  let pulling: Promise<Event<Item, Result>> | undefined;
  let exhausted = false;
  let key = 0;
  try {
    for (;;) {
      throwIfAborted(signal);
      if (!exhausted && !pulling && inFlight.size < concurrency) {
        pulling = Promise.resolve(iterator.next()).then((pulled) => ({ pulled }));
        pulling.catch(() => {}); // taken from the race below, or awaited in finally
      }
      // A slow source does not delay finished calls; a fast one fills the free places first.
      const waiting = [...(pulling ? [pulling] : []), ...inFlight.values()];
      if (waiting.length === 0) return;
      const event = await Promise.race(waiting).catch((error) => {
        throwIfAborted(signal); // whichever error the call threw for the abort
        throw error;
      });
      if ("result" in event) {
        inFlight.delete(event.key);
        yield event.result;
        continue;
      }
      pulling = undefined;
      if (event.pulled.done) {
        exhausted = true;
        continue;
      }
      const mine = key++;
      const running = call(event.pulled.value, inner).then((result) => ({ key: mine, result }));
      running.catch(() => {}); // its rejection is taken from the race above, or awaited in finally
      inFlight.set(mine, running);
    }
  } finally {
    stop.abort();
    await Promise.allSettled([...inFlight.values(), pulling]);
    await iterator.return?.();
  }
}

type Event<Item, Result> = { key: number; result: Result } | { pulled: IteratorResult<Item> };

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

export function abortedError(signal: AbortSignal): SwirlError {
  return new SwirlError("ABORTED", "stopped by its AbortSignal", { cause: signal.reason });
}

/** @throws SwirlError INPUT when a stage's input is not an array, iterable or async iterable. */
export function requireIterable(source: unknown): void {
  const object = Object(source) as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  if (object[Symbol.asyncIterator] || (object[Symbol.iterator] && typeof source === "object")) return;
  throw new SwirlError(
    "INPUT",
    `the stage's input is ${inspect(source, { depth: 0 }).slice(0, 80)}, which cannot be iterated`,
    {
      remedy: "pass an array or an (async) iterable, such as the result of readQuestions",
    },
  );
}

function iterate<Item>(source: Iterable<Item> | AsyncIterable<Item>): Iterator<Item> | AsyncIterator<Item> {
  requireIterable(source);
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}
