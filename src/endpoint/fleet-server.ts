/**
 * One server of a fleet: whether calls may go to it, how many are in flight, and what has been seen of it.
 *
 * up: takes calls. trial: back after a fault, takes one call at a time until one succeeds. down: takes none and is
 * checked again later. leaving: takes none, and is dropped when its last call ends.
 */
import type { EndpointClient } from "./endpoint-client.js";
import { describe } from "./endpoint-errors.js";

/** What a fleet knows of one of its servers. */
export interface FleetServerStatus {
  /** Host and path, without credentials and query. */
  server: string;
  /** "up", "trial" (back after a fault, on probation), "down" or "leaving". */
  state: "up" | "trial" | "down" | "leaving";
  /** Calls in flight. */
  inFlight: number;
  /** Attempts sent to it. */
  attempts: number;
  /** Attempts that it answered. */
  answered: number;
  /** Attempts that failed through its fault: no connection, a timeout, 5xx, a reply that cannot be read. */
  faults: number;
  /** Attempts that it refused as too many (429). */
  busy: number;
  /** Times it went down. */
  downs: number;
  /** The last thing that went wrong. */
  lastError?: string;
}

/** Faults in a row after which a server is down. One alone may be chance; many at once would attract all calls. */
const FAULTS_TO_DOWN = 3;

export class FleetServer {
  readonly attempts = new Set<AbortController>();
  state: FleetServerStatus["state"] = "down";
  /** No call before this time (performance.now): the server asked for a pause. */
  pausedUntil = 0;
  /** Health checks that failed in a row. */
  failedChecks = 0;
  /** Times it went down since it last answered a call: the wait before the next check grows with it. */
  downsInRow = 0;

  #faultsInRow = 0;
  #busyInRow = 0;
  #sent = 0;
  #answered = 0;
  #faults = 0;
  #busy = 0;
  #downs = 0;
  #lastError: string | undefined;

  constructor(
    readonly url: string,
    readonly name: string,
    readonly endpoint: EndpointClient,
    private readonly concurrency: number,
  ) {}

  get inFlight(): number {
    return this.attempts.size;
  }

  /** Attempts sent so far: of two servers with as many in flight, the one with fewer is next. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether it takes calls now or after a pause. */
  get isLive(): boolean {
    return this.state === "up" || this.state === "trial";
  }

  hasRoom(now: number): boolean {
    if (!this.isLive || now < this.pausedUntil) return false;
    return this.inFlight < (this.state === "trial" ? 1 : this.concurrency);
  }

  begin(attempt: AbortController): void {
    this.attempts.add(attempt);
    this.#sent++;
  }

  answered(): void {
    this.#answered++;
    this.#faultsInRow = 0;
    this.#busyInRow = 0;
    this.failedChecks = 0;
    if (this.state !== "trial") return;
    this.state = "up";
    this.downsInRow = 0;
  }

  /** Returns whether the server should go down. */
  fault(error: unknown): boolean {
    this.#faults++;
    this.note(error);
    return ++this.#faultsInRow >= FAULTS_TO_DOWN || this.state === "trial";
  }

  /** Takes no call for as long as it asks for, else longer with each refusal in a row. */
  busy(error: unknown, afterMs: number | undefined): void {
    this.#busy++;
    this.note(error);
    const wait = afterMs ?? Math.min(5_000, 50 * 2 ** Math.min(this.#busyInRow, 10));
    // As many refusals at once as there were calls in flight are one.
    if (performance.now() >= this.pausedUntil) this.#busyInRow++;
    this.pausedUntil = Math.max(this.pausedUntil, performance.now() + wait);
  }

  down(error: unknown): void {
    if (this.isLive) this.#downs++;
    if (this.state !== "leaving") this.state = "down";
    this.downsInRow++;
    this.#faultsInRow = 0;
    this.failedChecks = 0;
    this.note(error);
  }

  note(error: unknown): void {
    this.#lastError = this.endpoint.redact(describe(error)).slice(0, 300);
  }

  get status(): FleetServerStatus {
    return {
      server: this.name,
      state: this.state,
      inFlight: this.inFlight,
      attempts: this.#sent,
      answered: this.#answered,
      faults: this.#faults,
      busy: this.#busy,
      downs: this.#downs,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }
}
