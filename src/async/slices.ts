/**
 * Long work on the JavaScript thread in short slices, so that the event loop is never blocked for long. Such work is a
 * generator that yields wherever it may pause, at least every few milliseconds.
 */
import { setImmediate } from "node:timers/promises";

export type Sliced<T> = Generator<void, T, void>;

/** Milliseconds of a slice: short enough to go unnoticed, and long enough that switching costs little. */
const SLICE_MS = 8;

/** Runs the work without a pause. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Runs the work, letting other events run between its slices. */
export async function inSlices<T>(work: Sliced<T>): Promise<T> {
  for (;;) {
    const until = performance.now() + SLICE_MS;
    do {
      const step = work.next();
      if (step.done) return step.value;
    } while (performance.now() < until);
    await setImmediate();
  }
}

/** The items one by one, with a place to pause at every `every`-th. */
export function* sliced<T>(
  items: Iterable<T>,
  visit: (item: T, index: number) => void,
  every = 2048,
): Sliced<void> {
  let index = 0;
  for (const item of items) {
    visit(item, index++);
    if (index % every === 0) yield;
  }
}
