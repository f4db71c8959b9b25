import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { mapConcurrent } from "./map-concurrent.js";

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

test("keeps at most `concurrency` calls in flight, reaches it, and loses nothing", async () => {
  let inFlight = 0;
  let most = 0;
  const results = await collect(
    mapConcurrent(
      Array.from({ length: 50 }, (_, i) => i),
      4,
      async (i) => {
        most = Math.max(most, ++inFlight);
        await sleep(i % 5);
        inFlight--;
        return i;
      },
    ),
  );
  expect(most).toBe(4);
  expect(results.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

test("the source is pulled lazily", async () => {
  let pulled = 0;
  async function* source() {
    for (;;) yield pulled++;
  }
  for await (const i of mapConcurrent(source(), 3, async (n) => n)) if (i === 5) break;
  expect(pulled).toBeLessThan(15);
});

test("an early return stops the calls in flight and waits for them", async () => {
  let running = 0;
  let stopped = 0;
  for await (const _ of mapConcurrent([0, 1, 2, 3], 4, async (i, signal) => {
    running++;
    if (i > 0) await sleep(10_000, undefined, { signal }).catch(() => stopped++);
    else while (running < 4) await sleep(1);
    running--;
    return i;
  })) {
    break;
  }
  expect(running).toBe(0);
  expect(stopped).toBe(3);
});

test("a call that throws ends the iteration with its error, and no call is left running", async () => {
  let running = 0;
  const failing = collect(
    mapConcurrent([0, 1, 2], 3, async (i, signal) => {
      running++;
      try {
        if (i === 1) throw new Error("one");
        await sleep(10_000, undefined, { signal });
      } finally {
        running--;
      }
      return i;
    }),
  );
  await expect(failing).rejects.toThrow("one");
  expect(running).toBe(0);
});

test("abort rejects with ABORTED", async () => {
  const controller = new AbortController();
  const running = collect(
    mapConcurrent(
      [0, 1, 2],
      1,
      async (i, signal) => {
        if (i === 1) controller.abort();
        signal.throwIfAborted();
        return i;
      },
      controller.signal,
    ),
  );
  await expect(running).rejects.toMatchObject({ code: "ABORTED" });
  const late = collect(mapConcurrent([1], 1, async (i) => i, controller.signal));
  await expect(late).rejects.toMatchObject({ code: "ABORTED" });
});

test("a slow source does not delay results that are ready", async () => {
  let release: () => void = () => {};
  async function* source() {
    yield 1;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    yield 2;
  }
  const seen: number[] = [];
  for await (const i of mapConcurrent(source(), 4, async (n) => n)) {
    seen.push(i);
    release(); // the source continues only after the first result was delivered
  }
  expect(seen).toEqual([1, 2]);
});

test("a source that throws ends the iteration with its error, after the calls in flight", async () => {
  let running = 0;
  async function* source() {
    yield 1;
    throw new Error("source");
  }
  const run = collect(
    mapConcurrent(source(), 4, async (n, signal) => {
      running++;
      await sleep(10_000, undefined, { signal }).catch(() => {});
      running--;
      return n;
    }),
  );
  await expect(run).rejects.toThrow("source");
  expect(running).toBe(0);
});

test("a source that fails while the consumer is busy causes no unhandled rejection", async () => {
  async function* source() {
    yield 1;
    throw new Error("late");
  }
  const run = async () => {
    for await (const _ of mapConcurrent(source(), 2, async (n) => n)) await sleep(20);
  };
  await expect(run()).rejects.toThrow("late");
});

test("many calls that listen to their signal cause no leak warning", async () => {
  const warnings: string[] = [];
  const note = (warning: Error) => warnings.push(warning.name);
  process.on("warning", note);
  const listen = async (i: number, signal: AbortSignal) => {
    signal.addEventListener("abort", () => {});
    await sleep(1);
    return i;
  };
  await collect(mapConcurrent([...Array(40).keys()], 40, listen));
  await sleep(5);
  process.off("warning", note);
  expect(warnings).toEqual([]);
});

test.each([undefined, null, 5, {}, "text"])("%j cannot be iterated: a typed error", async (source) => {
  const calls = mapConcurrent(source as never, 1, async () => 1);
  await expect(collect(calls)).rejects.toMatchObject({ code: "INPUT" });
});
