/**
 * Which server a call goes to, and the calls that wait for room. The oldest waiting call is served first. A call goes to
 * the server that holds its key's prefix, else to the one with the fewest calls in flight; where it failed on a server, to
 * another one while any is up.
 */
import { setMaxListeners } from "node:events";
import { abortedError, throwIfAborted } from "../async/map-concurrent.js";
import type { FleetServer } from "./fleet-server.js";

/** Room on a server: counted there until `attempt` is taken out of the server's attempts. */
export interface Room {
  server: FleetServer;
  attempt: AbortController;
}

export interface Wanted {
  /** Calls of one key share a prefix. */
  key?: object | undefined;
  /** Servers on which the call failed. */
  avoid: ReadonlySet<FleetServer>;
  signal?: AbortSignal | undefined;
}

interface Waiter extends Wanted {
  take(room: Room): void;
  fail(error: unknown): void;
}

export class FleetQueue {
  readonly #servers: ReadonlyMap<string, FleetServer>;
  readonly #onWait: () => void;
  readonly #waiting = new Set<Waiter>();
  readonly #homes = new WeakMap<object, FleetServer>();
  #alive: NodeJS.Timeout | undefined;

  /** `onWait` is called several times a second while a call waits. */
  constructor(servers: ReadonlyMap<string, FleetServer>, onWait: () => void) {
    this.#servers = servers;
    this.#onWait = onWait;
  }

  /** Room as soon as there is some. @throws SwirlError ABORTED, and what `failAll` is given. */
  async room(wanted: Wanted): Promise<Room> {
    const { signal } = wanted;
    throwIfAborted(signal);
    const now = this.#waiting.size === 0 ? this.#claim(wanted) : undefined;
    if (now) return now;
    return await new Promise((resolve, reject) => {
      const done = () => {
        signal?.removeEventListener("abort", stop);
        this.#waiting.delete(waiter);
        if (this.#waiting.size > 0) return;
        clearInterval(this.#alive);
        this.#alive = undefined;
      };
      const waiter: Waiter = {
        ...wanted,
        take: (room) => {
          done();
          resolve(room);
        },
        fail: (error) => {
          done();
          reject(error);
        },
      };
      const stop = () => waiter.fail(abortedError(signal!));
      signal?.addEventListener("abort", stop, { once: true });
      this.#waiting.add(waiter);
      this.#alive ??= setInterval(this.#onWait, 250); // not unref'd: the process must not end while a call waits
      this.dispatch();
    });
  }

  /** Gives waiting calls the room that there is. To be called whenever some may have appeared. */
  dispatch(): void {
    for (const waiter of this.#waiting) {
      const room = this.#claim(waiter);
      if (room) waiter.take(room);
      else if (![...this.#servers.values()].some((server) => server.hasRoom(performance.now()))) return;
    }
  }

  /** Ends every waiting call; returns how many there were. */
  failAll(error: unknown): number {
    const count = this.#waiting.size;
    for (const waiter of this.#waiting) waiter.fail(error);
    return count;
  }

  #claim(wanted: Wanted): Room | undefined {
    const server = this.#pick(wanted);
    if (!server) return undefined;
    const attempt = new AbortController();
    setMaxListeners(0, attempt.signal); // an attempt may be several requests
    server.begin(attempt);
    return { server, attempt };
  }

  #pick({ key, avoid }: Wanted): FleetServer | undefined {
    const now = performance.now();
    const live = [...this.#servers.values()].filter(({ isLive }) => isLive);
    const others = live.filter((server) => !avoid.has(server));
    const free = (others.length > 0 ? others : live).filter((server) => server.hasRoom(now));
    const home = key && this.#homes.get(key);
    let best = home && free.includes(home) ? home : undefined;
    if (!best) for (const server of free) if (!best || isBefore(server, best)) best = server;
    if (best && key) this.#homes.set(key, best);
    return best;
  }
}

function isBefore(a: FleetServer, b: FleetServer): boolean {
  return a.inFlight === b.inFlight ? a.sent < b.sent : a.inFlight < b.inFlight;
}
