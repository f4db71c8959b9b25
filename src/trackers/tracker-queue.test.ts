import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import type { TrackedMetrics, TrackedRun, Tracker } from "./tracker.js";
import { QUEUE_LIMITS, TrackerQueue } from "./tracker-queue.js";

const run: TrackedRun = {
  id: "1-train",
  name: "a/train",
  run: "train",
  project: "p",
  config: {},
  resumedFrom: 0,
  folder: undefined,
};
const metrics = (step: number) => ({ metrics: { step, time: 0, metrics: { "train/reward": step } } });

function queueOf(tracker: Partial<Tracker>, limits: Partial<typeof QUEUE_LIMITS> = {}) {
  const steps: number[] = [];
  const notes: string[] = [];
  const whole: Tracker = {
    name: "t",
    begin: () => {},
    log: (entries) => void steps.push(...entries.map(({ step }) => step)),
    finish: () => {},
    ...tracker,
  };
  const short = { ...QUEUE_LIMITS, waitMs: 5, callMs: 50, flushMs: 300, abortedFlushMs: 300, ...limits };
  return { queue: new TrackerQueue(whole, run, short, (note) => void notes.push(note)), steps, notes };
}

it("delivers everything in order, in batches that end at a table", async () => {
  const calls: string[] = [];
  const { queue } = queueOf({
    log: (entries) => void calls.push(entries.map(({ step }) => step).join(",")),
    table: ({ step }) => void calls.push(`table ${step}`),
    finish: (end) => void calls.push(end),
  });
  for (let step = 1; step <= 150; step++) {
    queue.add(metrics(step));
    if (step === 2) queue.add({ table: { name: "x", step, time: 0, columns: [], rows: [] } });
  }
  await queue.close("finished");
  expect(calls.slice(0, 2)).toEqual(["1,2", "table 2"]);
  expect(calls[2]!.split(",")).toHaveLength(100);
  expect(calls.slice(2, -1).join(",").split(",").map(Number)).toEqual(
    Array.from({ length: 148 }, (_, i) => i + 3),
  );
  expect(calls.at(-1)).toBe("finished");
  expect(queue.lost).toBe(0);
});

it("an outage loses nothing that fits into the queue, and is reported once", async () => {
  let down = true;
  const steps: number[] = [];
  const { queue, notes } = queueOf({
    log: (entries: readonly TrackedMetrics[]) => {
      if (down) throw new Error("connection refused, key sk-planted-0123456789abcdef");
      steps.push(...entries.map(({ step }) => step));
    },
  });
  for (let step = 1; step <= 5; step++) {
    queue.add(metrics(step));
    await sleep(4);
  }
  down = false;
  await queue.close("finished");
  expect(steps).toEqual([1, 2, 3, 4, 5]);
  expect(queue.lost).toBe(0);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toContain("connection refused");
  expect(notes[0]).not.toContain("sk-planted");
});

it("beyond its length the oldest are lost, counted and reported at the end", async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { queue, steps, notes } = queueOf({ begin: () => gate }, { entries: 10 });
  for (let step = 1; step <= 25; step++) queue.add(metrics(step));
  open();
  await queue.close("finished");
  expect(steps).toEqual(Array.from({ length: 10 }, (_, i) => i + 16));
  expect(queue.lost).toBe(15);
  expect(notes.at(-1)).toBe("tracker t: 15 entries were not delivered; the run's own files have them");
});

it("a tracker that never answers only costs the deadline at the end", async () => {
  const { queue } = queueOf({ log: () => new Promise(() => {}) });
  const started = performance.now();
  for (let step = 1; step <= 3; step++) queue.add(metrics(step));
  expect(performance.now() - started).toBeLessThan(100);
  await queue.close("aborted");
  expect(performance.now() - started).toBeLessThan(5000);
  expect(queue.lost).toBe(3);
});

it("a call with a permanent error is not repeated", async () => {
  let calls = 0;
  const { queue, steps } = queueOf({
    log: (entries) => {
      calls++;
      if (entries[0]!.step === 1)
        throw new SwirlError("ENDPOINT", "bad request", { details: { final: true } });
      steps.push(entries[0]!.step);
    },
  });
  queue.add(metrics(1));
  await sleep(20);
  queue.add(metrics(2));
  await queue.close("finished");
  expect(calls).toBe(2);
  expect(steps).toEqual([2]);
  expect(queue.lost).toBe(1);
});

it("a tracker that refuses the run is not called again", async () => {
  let logged = 0;
  const { queue } = queueOf({
    begin: () => {
      throw new SwirlError("ENDPOINT", "401", { details: { final: true } });
    },
    log: () => void logged++,
  });
  await sleep(5);
  queue.add(metrics(1));
  queue.add(metrics(2));
  await queue.close("finished");
  expect(logged).toBe(0);
  expect(queue.lost).toBe(2);
});

it("a note that throws does not reach the process", async () => {
  const tracker: Tracker = {
    name: "t",
    begin: () => "https://example.org/run",
    log: () => {},
    finish: () => {},
  };
  const queue = new TrackerQueue(tracker, run, QUEUE_LIMITS, () => {
    throw new Error("onNote is broken");
  });
  queue.add(metrics(1));
  await queue.close("finished");
  expect(queue.lost).toBe(0);
});
