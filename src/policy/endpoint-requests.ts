/**
 * The requests of an endpoint policy: at most `concurrency` in flight, each retried up to its limits, all of them counted.
 * After `close`, requests in flight are aborted and later ones reject with code DISPOSED.
 */
import { setMaxListeners } from "node:events";
import type OpenAI from "openai";
import pLimit, { type LimitFunction } from "p-limit";
import { throwIfAborted } from "../async/map-concurrent.js";
import { type EndpointClient, endpointClient } from "../endpoint/endpoint-client.js";
import { classifyEndpointError, endpointError } from "../endpoint/endpoint-errors.js";
import type { ResolvedEndpointOptions } from "../endpoint/endpoint-options.js";
import { RefusedParameters } from "../endpoint/refused-parameters.js";
import { withRetries } from "../endpoint/retry.js";
import { SwirlError } from "../errors/swirl-error.js";
import { readReply, type Reply as ServerReply } from "./read-reply.js";

/** `stopSent`: whether the stop strings were part of the request. */
export type Reply = ServerReply & { stopSent: boolean };

/** Counts of an {@link EndpointPolicy} since it was connected. */
export interface EndpointStats {
  /** Distinct requests. */
  requests: number;
  /** HTTP requests sent for them, retries included. */
  attempts: number;
  /** Attempts after the first. */
  retries: number;
  /** Requests given up. */
  failures: number;
  /** Prompt tokens, as the server counts them. */
  promptTokens: number;
  /** Sampled tokens, as the server counts them. */
  completionTokens: number;
}

export class EndpointRequests {
  readonly endpoint: EndpointClient;
  readonly stats: EndpointStats = {
    requests: 0,
    attempts: 0,
    retries: 0,
    failures: 0,
    promptTokens: 0,
    completionTokens: 0,
  };

  readonly #options: ResolvedEndpointOptions;
  readonly #parameters: RefusedParameters;
  readonly #limit: LimitFunction;
  readonly #closed = new AbortController();

  /** `onNote`: called once per parameter that the server refuses. */
  constructor(options: ResolvedEndpointOptions, onNote: (note: string) => void) {
    this.endpoint = endpointClient(options);
    this.#options = options;
    const { id } = this.endpoint;
    this.#parameters = new RefusedParameters((name, instead) =>
      onNote(`endpoint ${id} refuses the parameter ${name}: it is left out, and ${instead}`),
    );
    this.#limit = pLimit(options.concurrency);
    setMaxListeners(0, this.#closed.signal); // one listener per request in flight
  }

  /** Sends one request. Rejects with code ENDPOINT after the retries, ABORTED or DISPOSED. */
  async send(
    body: Record<string, unknown>,
    signal?: AbortSignal,
    maxRetries = this.#options.maxRetries,
  ): Promise<Reply> {
    const joined = this.joined(signal);
    return await this.#limit(async () => {
      this.#throwIfDisposed();
      throwIfAborted(signal);
      this.stats.requests++;
      return await withRetries<Reply>(
        { ...this.#options, maxRetries },
        {
          signal: joined,
          attempt: (attemptSignal) => this.#attempt(body, attemptSignal),
          classify: classifyEndpointError,
          onRetry: () => this.stats.retries++,
          fail: (error, spent) => {
            this.stats.failures++;
            return endpointError(error, {
              host: this.endpoint.host,
              model: this.#options.model,
              redact: this.endpoint.redact,
              ...spent,
            });
          },
        },
      ).catch((error) => {
        this.#throwIfDisposed();
        throw error;
      });
    });
  }

  /** Fires when the caller aborts or the policy is disposed. */
  joined(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
  }

  #throwIfDisposed(): void {
    if (!this.#closed.signal.aborted) return;
    throw new SwirlError("DISPOSED", `the policy ${this.endpoint.id} was disposed`, {
      remedy: "connect again",
    });
  }

  async #attempt(body: Record<string, unknown>, signal: AbortSignal): Promise<Reply> {
    const reply = await this.#parameters.send(body, this.#options.extraBody, async (fields) => {
      this.stats.attempts++;
      const request = { model: this.#options.model, ...fields, stream: false as const };
      const raw: unknown = await this.endpoint.client.chat.completions.create(
        request as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming,
        { signal, timeout: this.#options.timeoutMs },
      );
      return { ...readReply(raw), stopSent: "stop" in fields };
    });
    this.stats.promptTokens += reply.promptTokens;
    this.stats.completionTokens += reply.completionTokens;
    return reply;
  }
}
