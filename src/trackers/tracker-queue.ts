/**
 * One tracker's queue. Logging never waits: entries are queued, and a worker delivers them to the tracker in order,
 * several at a time. A failed call is retried with growing delays; one that takes too long counts as failed. Entries
 * that do not fit into the queue, or are left at the end, are counted as lost. The first failure is reported in one
 * note.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import type {
  TrackedEnd,
  TrackedMetrics,
  TrackedRun,
  TrackedTable,
  Tracker,
  TrackerCall,
} from "./tracker.js";

export interface QueueLimits {
  /** Maximum entries that wait; beyond it the oldest are lost. */
  entries: number;
  /** Maximum entries per call. */
  batch: number;
  /** Timeout of one call, in milliseconds. */
  callMs: number;
  /** Maximum attempts for one call; then its entries are lost. */
  attempts: number;
  /** First wait after a failure, in milliseconds; it doubles up to 60 times this. */
  waitMs: number;
  /** Maximum wait for queued entries at the end of the run, in milliseconds. */
  flushMs: number;
  /** The same if the run was stopped: somebody is waiting for it. */
  abortedFlushMs: number;
}

export const QUEUE_LIMITS: QueueLimits = {
  entries: 10_000,
  batch: 100,
  callMs: 20_000,
  attempts: 8,
  waitMs: 1000,
  flushMs: 15_000,
  abortedFlushMs: 3000,
};

type Entry = { metrics: TrackedMetrics } | { table: TrackedTable };

export class TrackerQueue {
  /** Entries that did not reach the tracker. */
  lost = 0;
  readonly #tracker: Tracker;
  readonly #limits: QueueLimits;
  readonly #note: (text: string) => void;
  readonly #entries: Entry[] = [];
  readonly #stop = new AbortController();
  readonly #worker: Promise<void>;
  #end: TrackedEnd | undefined;
  #wake = () => {};
  #warned = false;

  constructor(tracker: Tracker, run: TrackedRun, limits: QueueLimits, note: (text: string) => void) {
    this.#tracker = tracker;
    this.#limits = limits;
    this.#note = (text) => {
      try {
        note(`tracker ${tracker.name}: ${text}`);
      } catch {
        // a failure of onNote is reported where the run calls it
      }
    };
    this.#worker = this.#work(run);
  }

  add(entry: Entry): void {
    if (this.#end !== undefined || this.#stop.signal.aborted) {
      this.lost++;
      return;
    }
    this.#entries.push(entry);
    if (this.#entries.length > this.#limits.entries) {
      this.#entries.shift();
      this.lost++;
    }
    this.#wake();
  }

  /** Delivers what is left, for at most `flushMs`. Never throws. */
  async close(end: TrackedEnd): Promise<void> {
    const { flushMs, abortedFlushMs } = this.#limits;
    this.#end = end;
    this.#wake();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, end === "aborted" ? abortedFlushMs : flushMs);
    });
    await Promise.race([this.#worker, deadline]);
    clearTimeout(timer);
    this.#stop.abort();
    this.#wake();
    this.lost += this.#entries.splice(0).length;
    if (this.lost > 0) this.#note(`${this.lost} entries were not delivered; the run's own files have them`);
  }

  async #work(run: TrackedRun): Promise<void> {
    if (!(await this.#begin(run))) {
      this.#stop.abort();
      return;
    }
    for (;;) {
      const batch = this.#take();
      if (batch.length > 0) await this.#deliver(batch);
      else if (this.#end === undefined) await this.#pause();
      if (this.#stop.signal.aborted) return;
      if (this.#end !== undefined && this.#entries.length === 0) break;
    }
    const end = this.#end!;
    await this.#attempt((call) => this.#tracker.finish(end, call));
  }

  async #begin(run: TrackedRun): Promise<boolean> {
    const begun = await this.#attempt(async (call) => {
      const text = await this.#tracker.begin(run, call);
      if (text) this.#note(text);
    }, Number.POSITIVE_INFINITY);
    return begun;
  }

  /** Consecutive updates, or one table. */
  #take(): Entry[] {
    const [first] = this.#entries;
    if (first === undefined) return [];
    if ("table" in first) return this.#entries.splice(0, 1);
    const until = this.#entries.findIndex((entry) => "table" in entry);
    const count = Math.min(this.#limits.batch, until < 0 ? this.#entries.length : until);
    return this.#entries.splice(0, count);
  }

  async #deliver(batch: Entry[]): Promise<void> {
    const [first] = batch;
    const delivered = await this.#attempt((call) => {
      if ("table" in first!) return this.#tracker.table?.(first.table, call);
      return this.#tracker.log(
        batch.flatMap((entry) => ("metrics" in entry ? [entry.metrics] : [])),
        call,
      );
    });
    if (!delivered) this.lost += batch.length;
  }

  /** Makes the call, with its retries. Resolves to whether it succeeded. */
  async #attempt(
    call: (options: TrackerCall) => unknown,
    attempts: number = this.#limits.attempts,
  ): Promise<boolean> {
    for (let failures = 0; ; ) {
      if (this.#stop.signal.aborted) return false;
      const error = await this.#call(call);
      if (error === undefined) return true;
      if (this.#stop.signal.aborted) return false;
      failures++;
      this.#warn(error);
      const final = SwirlError.isInstance(error) && error.details.final === true;
      // At the end of the run one more attempt is made.
      if (final || failures >= attempts || (this.#end !== undefined && failures > 1)) return false;
      await this.#pause(this.#limits.waitMs * Math.min(60, 2 ** (failures - 1)));
    }
  }

  /** The error of one call, undefined for none. Settles in time also when the tracker ignores its signal. */
  async #call(call: (options: TrackerCall) => unknown): Promise<unknown> {
    const { callMs } = this.#limits;
    const timeout = new AbortController();
    const signal = AbortSignal.any([timeout.signal, this.#stop.signal]);
    let timer: NodeJS.Timeout | undefined;
    const stopped = new Promise<unknown>((resolve) => {
      const late = () => resolve(new Error(`no answer within ${callMs / 1000} s`));
      signal.addEventListener("abort", late, { once: true });
      timer = setTimeout(() => timeout.abort(), callMs);
    });
    const working = (async () => {
      try {
        await call({ signal });
        return undefined;
      } catch (error) {
        return error ?? new Error("it threw nothing");
      }
    })();
    const error = await Promise.race([working, stopped]);
    clearTimeout(timer);
    return error;
  }

  /** Waits until there is something to do, or for `milliseconds`. */
  #pause(milliseconds?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(done, milliseconds);
      const stop = this.#stop.signal;
      const self = this;
      function done() {
        clearTimeout(timer);
        self.#wake = () => {};
        stop.removeEventListener("abort", done);
        resolve();
      }
      stop.addEventListener("abort", done, { once: true });
      // New entries do not end a wait after a failure; only the end of the run does.
      this.#wake = () => {
        if (milliseconds === undefined || this.#end !== undefined) done();
      };
    });
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const reason = redactText(error instanceof Error ? error.message : String(error)).slice(0, 500);
    this.#note(`${reason}. The run continues; failed calls are retried, and lost entries counted`);
  }
}
