/**
 * How long the event loop is blocked: the most processor time that the main thread takes between two turns of the loop.
 * Processor time and not the clock, so that a machine that others keep busy does not fail a test. Linux only.
 */
import { closeSync, openSync, readSync } from "node:fs";

/** Runs work; resolves to its result and to the longest blockage, in milliseconds. */
export async function blockedTime<T>(work: () => Promise<T>): Promise<{ result: T; milliseconds: number }> {
  const file = openSync(`/proc/${process.pid}/task/${process.pid}/schedstat`, "r");
  const text = Buffer.alloc(64);
  const spent = () => Number(text.toString("latin1", 0, readSync(file, text, 0, 64, 0)).split(" ")[0]) / 1e6;
  let longest = 0;
  let last = spent();
  const turn = () => {
    const now = spent();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(turn, 1);
  try {
    const result = await work();
    turn();
    return { result, milliseconds: longest };
  } finally {
    clearInterval(timer);
    closeSync(file);
  }
}
