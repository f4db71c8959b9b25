/**
 * A session on a Tinker server, kept alive by heartbeats until it is closed. A server that no longer knows the session was
 * restarted: `lost` then holds the error that every later call should throw.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { packageVersion } from "../version.js";
import { doneSchema, sessionSchema } from "./messages.js";
import { StatusError } from "./tinker-errors.js";
import type { TinkerHttp } from "./tinker-http.js";

export class TinkerSession {
  /** Set once the server answers that it does not know this session. */
  lost: SwirlError | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #closed = new AbortController();

  private constructor(
    readonly http: TinkerHttp,
    readonly id: string,
  ) {
    this.#timer = setInterval(() => void this.#beat(), http.options.heartbeatMs);
    this.#timer.unref();
  }

  static async open(http: TinkerHttp, signal?: AbortSignal): Promise<TinkerSession> {
    const { session_id } = await http.call(
      "create_session",
      {
        tags: ["swirl-rl"],
        user_metadata: null,
        sdk_version: `swirl-rl/${packageVersion}`,
        type: "create_session",
      },
      sessionSchema,
      { signal },
    );
    return new TinkerSession(http, session_id);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closed.abort();
  }

  /** A heartbeat that gets no answer is no fault: the next one follows, and calls notice a server that is gone. */
  async #beat(): Promise<void> {
    try {
      const { timeoutMs } = this.http.options;
      const limit = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(timeoutMs)]);
      const body = { session_id: this.id, type: "session_heartbeat" };
      this.http.read("session_heartbeat", await this.http.send("session_heartbeat", body, limit), doneSchema);
    } catch (error) {
      if (!(error instanceof StatusError) || (error.status !== 404 && error.status !== 410)) return;
      this.lost = new SwirlError(
        "ENDPOINT",
        `trainer ${this.http.host}: the server does not know this session any more`,
        {
          remedy: "the server was restarted: connect again and resume from the last checkpoint",
          details: { host: this.http.host, trainer: true, lost: true },
        },
      );
    }
  }
}
