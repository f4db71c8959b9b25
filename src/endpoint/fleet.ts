/**
 * Several servers of one model as one: each call goes to a server that is up and has room, and moves to another one when
 * that server fails.
 *
 * Guarantees: a call gives exactly one result or one error; a late answer of an attempt that was given up is dropped. At
 * most `concurrency` calls are in flight per server. `maxRetries` and `deadlineMs` bound a call over all servers, and
 * `retryBudget` the retries of all calls together. A server enters, at the start or after a fault, when its health check
 * and `verify` pass. Calls of one `key` stay on one server for as long as it is up and has room.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { type EndpointClient, endpointClient } from "./endpoint-client.js";
import { endpointError } from "./endpoint-errors.js";
import { fleetFault, ServerWentDown } from "./fleet-faults.js";
import type { ResolvedFleetOptions } from "./fleet-options.js";
import { FleetQueue } from "./fleet-queue.js";
import { FleetServer, type FleetServerStatus } from "./fleet-server.js";
import { backoffDelay } from "./retry.js";
import { settled } from "./settled.js";

/** Counts of a fleet's calls. */
export interface FleetStats {
  /** Distinct calls. */
  calls: number;
  /** Attempts, over all servers. */
  attempts: number;
  /** Attempts after the first of a call. */
  retries: number;
  /** Attempts that were taken away from a server which went down. */
  moved: number;
  /** Calls given up. */
  failures: number;
}

export interface FleetHooks {
  /** Names the model in errors. */
  model: string;
  /** Rejects when the server cannot work. */
  health(endpoint: EndpointClient, signal: AbortSignal): Promise<unknown>;
  /** Rejects when a healthy server's answers cannot be used. */
  verify?(endpoint: EndpointClient, signal: AbortSignal): Promise<unknown>;
  /** Receives what a person should know: a server that went down or came back. */
  onNote(note: string): void;
}

/** Longest wait before a server that is down is checked again, in health intervals. */
const LONGEST_WAIT = 6;

export class Fleet {
  readonly stats: FleetStats = { calls: 0, attempts: 0, retries: 0, moved: 0, failures: 0 };

  readonly #options: ResolvedFleetOptions;
  readonly #hooks: FleetHooks;
  readonly #servers = new Map<string, FleetServer>();
  readonly #queue = new FleetQueue(this.#servers, () => this.#giveUpOnNobody());
  /** Servers whose health check runs. */
  readonly #checking = new Set<FleetServer>();
  readonly #closed = new AbortController();
  #budget: number;
  #nobodySince: number | undefined;
  /** Changes with what `verify` tests: a test that began before says nothing. */
  #verified = 0;
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: ResolvedFleetOptions, hooks: FleetHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#budget = options.retryBudget;
    setMaxListeners(0, this.#closed.signal);
  }

  /**
   * Checks every server and starts the health checks.
   *
   * @throws SwirlError CONFIG for a URL with credentials, what `verify` throws where no server passes, ENDPOINT where
   * none can be reached, ABORTED.
   */
  async start(signal?: AbortSignal): Promise<void> {
    const servers = this.#options.servers.map((url) => this.#register(url));
    const outcomes = await Promise.all(
      servers.map((server) => this.#admit(server, signal).catch((error: unknown) => ({ error }))),
    );
    throwIfAborted(signal);
    for (const server of servers)
      if (!server.isLive)
        this.#hooks.onNote(`server ${server.name} is not up: ${server.status.lastError ?? ""}`);
    if (!servers.some(({ isLive }) => isLive)) {
      this.close(new SwirlError("DISPOSED", "the fleet did not start"));
      const errors = outcomes.flatMap((outcome) => (outcome ? [outcome.error] : []));
      const own = errors.find((error) => SwirlError.isInstance(error) && error.code === "CONFIG");
      throw (
        own ??
        this.#failure(servers[0]!, errors[0], { attempts: 1, milliseconds: 0, reason: "no server is up" })
      );
    }
    this.#ticker = setInterval(() => this.#tick(), this.#options.healthEveryMs).unref();
  }

  /** A further server. It takes calls once its checks have passed; until then it is down. */
  add(url: string): void {
    this.#throwIfClosed();
    const server = this.#register(url);
    void this.#admit(server).catch(() => {});
  }

  /** Takes a server out: it gets no more calls, and those in flight end there. */
  remove(url: string): void {
    const key = rootOf(url);
    const server = this.#servers.get(key);
    if (!server) return;
    server.state = "leaving";
    if (server.inFlight === 0) this.#servers.delete(key);
    this.#queue.dispatch();
  }

  get servers(): FleetServerStatus[] {
    return [...this.#servers.values()].map(({ status }) => status);
  }

  /**
   * The answer of some server. `send` runs until it settles or its signal fires, and may be called several times.
   *
   * @throws SwirlError ENDPOINT after the retries, what `send` throws of another code, ABORTED, DISPOSED.
   */
  async call<T>(
    send: (endpoint: EndpointClient, signal: AbortSignal) => Promise<T>,
    { key, signal }: { key?: object | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const { maxRetries, timeoutMs, deadlineMs } = this.#options;
    const avoid = new Set<FleetServer>();
    let spent = 0;
    if (signal) setMaxListeners(0, signal); // one listener per call
    this.stats.calls++;
    for (let attempts = 1; ; attempts++) {
      this.#throwIfClosed();
      const { server, attempt } = await this.#queue.room({ key, avoid, signal });
      const started = performance.now();
      this.stats.attempts++;
      let error: unknown;
      let fault: "request" | "server" = "server";
      try {
        const value = await settled((limit) => send(server.endpoint, limit), {
          attempt,
          milliseconds: Math.min(timeoutMs, deadlineMs - spent),
          signals: [signal],
        });
        server.answered();
        this.#budget = Math.min(this.#options.retryBudget, this.#budget + 0.1);
        return value;
      } catch (caught) {
        throwIfAborted(signal);
        this.#throwIfClosed();
        error = caught;
        fault = this.#blame(server, error); // before its room is given to the next call
      } finally {
        this.#release(server, attempt);
      }
      spent += performance.now() - started;
      avoid.add(server);
      const give = (reason: string) => {
        this.stats.failures++;
        return this.#failure(server, error, { attempts, milliseconds: spent, reason });
      };
      if (fault === "request") throw give("not retryable");
      if (attempts > maxRetries) throw give("retries used up");
      if (this.#budget < 1) throw give("the fleet's retry budget is used up");
      if (spent >= deadlineMs) throw give("deadline reached");
      this.#budget--;
      this.stats.retries++;
      // Another server is tried at once; where there is none, the same one after a pause.
      if (![...this.#servers.values()].some((other) => other.isLive && !avoid.has(other))) {
        const delay = backoffDelay(attempts - 1, this.#options);
        if (spent + delay >= deadlineMs) throw give("deadline reached");
        const stop = signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
        await sleep(delay, undefined, { signal: stop }).catch(() => throwIfAborted(signal));
        spent += delay;
        avoid.clear();
      }
    }
  }

  /**
   * Work on every server that is up. One for which it fails goes down, and comes back when its checks pass. Returns those
   * for which it succeeded.
   *
   * @throws the first error where it fails for all of them, ABORTED, DISPOSED.
   */
  async onEach(
    work: (endpoint: EndpointClient, signal: AbortSignal) => Promise<unknown>,
    signal?: AbortSignal,
  ): Promise<ReadonlySet<EndpointClient>> {
    this.#throwIfClosed();
    const live = [...this.#servers.values()].filter(({ isLive }) => isLive);
    const errors = await Promise.all(
      live.map(async (server) => {
        try {
          await this.#check(server, (limit) => work(server.endpoint, limit), this.#options.timeoutMs, signal);
          return [];
        } catch (error) {
          throwIfAborted(signal);
          this.#throwIfClosed();
          this.#takeDown(server, error);
          return [{ server, error }];
        }
      }),
    );
    const failed = errors.flat();
    const passed = live.filter((server) => !failed.some((one) => one.server === server));
    if (passed.length > 0) return new Set(passed.map(({ endpoint }) => endpoint));
    const [first] = failed;
    if (!first) throw new SwirlError("ENDPOINT", "no server of the fleet is up", { remedy: "start them" });
    throw SwirlError.isInstance(first.error) && first.error.code === "CONFIG"
      ? first.error
      : this.#failure(first.server, first.error, { attempts: 1, milliseconds: 0, reason: "on every server" });
  }

  /** What `verify` tests has changed: every server but those of `passed` takes calls only after it passes again. */
  verifyAgain(passed: ReadonlySet<EndpointClient>): void {
    this.#verified++;
    for (const server of this.#servers.values())
      if (!passed.has(server.endpoint)) this.#takeDown(server, new Error("it is to be tested again"));
  }

  /** Calls in flight, and later ones, reject with `error`. */
  close(error: SwirlError): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(error);
    clearInterval(this.#ticker);
    this.#queue.failAll(error);
    for (const server of this.#servers.values()) for (const attempt of server.attempts) attempt.abort(error);
  }

  // Servers

  #register(url: string): FleetServer {
    const root = rootOf(url);
    const known = this.#servers.get(root);
    if (known && known.state !== "leaving") return known;
    const endpoint = endpointClient({ ...this.#options, baseURL: root, model: this.#hooks.model });
    const server = new FleetServer(
      root,
      endpoint.id.replace(/#.*$/, ""),
      endpoint,
      this.#options.concurrency,
    );
    this.#servers.set(root, server);
    return server;
  }

  /** Health check and `verify`; then the server takes calls, else it is checked again later. */
  async #admit(server: FleetServer, signal?: AbortSignal, state: "up" | "trial" = "up"): Promise<void> {
    const verified = this.#verified;
    try {
      await this.#healthy(server, signal);
      const { verify } = this.#hooks;
      if (verify)
        await this.#check(server, (limit) => verify(server.endpoint, limit), this.#options.timeoutMs, signal);
      if (server.state !== "down" || this.#closed.signal.aborted) return;
      if (verified !== this.#verified) return this.#recheckLater(server);
      server.state = state;
      this.#nobodySince = undefined;
      this.#queue.dispatch();
    } catch (error) {
      if (signal?.aborted || this.#closed.signal.aborted) throw error;
      server.down(error);
      this.#recheckLater(server);
      throw error;
    }
  }

  async #check(
    server: FleetServer,
    work: (limit: AbortSignal) => Promise<unknown>,
    milliseconds: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const attempt = new AbortController();
    await settled(work, { attempt, milliseconds, signals: [signal, this.#closed.signal] }).catch((error) => {
      server.note(error);
      throw error;
    });
  }

  #release(server: FleetServer, attempt: AbortController): void {
    server.attempts.delete(attempt);
    if (server.state === "leaving" && server.inFlight === 0) this.#servers.delete(server.url);
    this.#queue.dispatch();
  }

  #recheckLater(server: FleetServer): void {
    const { healthEveryMs } = this.#options;
    const wait = Math.min(
      LONGEST_WAIT * healthEveryMs,
      (healthEveryMs / 10) * 2 ** Math.max(0, server.downsInRow - 1),
    );
    setTimeout(() => {
      if (this.#closed.signal.aborted || server.state !== "down") return;
      this.#admit(server, undefined, "trial").then(
        () => server.state === "trial" && this.#hooks.onNote(`server ${server.name} is back`),
        // It answers, but not as it should: a person must look.
        (error: unknown) => {
          if (SwirlError.isInstance(error) && error.code === "CONFIG" && server.downsInRow === 2)
            this.#hooks.onNote(error.message);
        },
      );
    }, wait).unref();
  }

  /** What the error means for the server; returns whose fault it is. */
  #blame(server: FleetServer, error: unknown): "request" | "server" {
    if (error instanceof ServerWentDown) {
      this.stats.moved++;
      return "server";
    }
    const fault = fleetFault(error);
    if (fault.kind === "request") {
      server.answered(); // it works: it said no
      return "request";
    }
    if (fault.kind === "busy") {
      server.busy(error, fault.afterMs);
      setTimeout(
        () => this.#queue.dispatch(),
        Math.max(0, server.pausedUntil - performance.now()) + 1,
      ).unref();
    } else if (server.fault(error) || fault.kind === "down") this.#takeDown(server, error);
    return "server";
  }

  #takeDown(server: FleetServer, error: unknown): void {
    if (!server.isLive) return;
    server.down(error);
    this.#hooks.onNote(`server ${server.name} is down: ${server.status.lastError ?? ""}`);
    for (const attempt of server.attempts) attempt.abort(new ServerWentDown(`${server.name} went down`));
    this.#recheckLater(server);
  }

  #tick(): void {
    for (const server of this.#servers.values()) {
      if (!server.isLive || this.#checking.has(server)) continue;
      this.#checking.add(server);
      this.#healthy(server)
        .then(
          () => {
            server.failedChecks = 0;
          },
          (error: unknown) => {
            if (!this.#closed.signal.aborted && ++server.failedChecks >= 2) this.#takeDown(server, error);
          },
        )
        .finally(() => this.#checking.delete(server));
    }
  }

  async #healthy(server: FleetServer, signal?: AbortSignal): Promise<void> {
    const { health } = this.#hooks;
    await this.#check(
      server,
      (limit) => health(server.endpoint, limit),
      this.#options.healthTimeoutMs,
      signal,
    );
  }

  /** Ends the calls that wait for a fleet which stays down. */
  #giveUpOnNobody(): void {
    if ([...this.#servers.values()].some(({ isLive }) => isLive)) {
      this.#nobodySince = undefined;
      this.#queue.dispatch();
      return;
    }
    this.#nobodySince ??= performance.now();
    if (performance.now() - this.#nobodySince < this.#options.deadlineMs) return;
    const said = this.servers.map(({ server, lastError }) => `${server}: ${lastError ?? "down"}`).join("; ");
    const error = new SwirlError("ENDPOINT", `no server of the fleet is up: ${said || "it has none"}`, {
      remedy: "check that the servers run and can be reached from here",
    });
    this.stats.failures += this.#queue.failAll(error);
  }

  #failure(
    server: FleetServer,
    error: unknown,
    spent: { attempts: number; milliseconds: number; reason: string },
  ): SwirlError {
    const { host, redact } = server.endpoint;
    return endpointError(error, { host, model: this.#hooks.model, redact, ...spent });
  }

  #throwIfClosed(): void {
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason;
  }
}

/** The address without "/v1", without a slash at its end, with its query. */
function rootOf(address: string): string {
  const url = new URL(address);
  url.pathname = url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "");
  return url.href.replace(/\/(?=$|\?)/, "");
}
