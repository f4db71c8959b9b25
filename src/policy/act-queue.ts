/**
 * Merges concurrent act calls into few engine calls: calls that arrive while the engine is busy, or within one turn of
 * the event loop after it, run together if their sampling options are equal. Each prompt keeps its own token limit, so
 * states near the end of the context run with the rest.
 *
 * Every prompt carries its own seed, so an action does not depend on what it was merged with. A call that is aborted
 * rejects at once; the engine call stops when all of its callers are gone.
 */
import { setMaxListeners } from "node:events";
import { abortedError, throwIfAborted } from "../async/map-concurrent.js";
import type { SwirlError } from "../errors/swirl-error.js";
import type { NativeCompletion, NativeGenerateOptions, NativePrompt } from "../native/addon.js";

export type Generate = (
  prompts: NativePrompt[],
  options: NativeGenerateOptions,
  signal: AbortSignal,
) => Promise<NativeCompletion[][]>;

interface Waiting {
  prompt: NativePrompt;
  options: NativeGenerateOptions;
  key: string;
  gone: boolean; // aborted: nobody waits for its result
  onGone: () => void;
  resolve: (completions: NativeCompletion[]) => void;
  reject: (error: unknown) => void;
}

export class ActQueue {
  readonly #generate: Generate;
  readonly #maxBatch: number;
  #waiting: Waiting[] = [];
  #running = false;
  #closed: SwirlError | undefined;

  /** `maxBatch`: completions in one engine call. */
  constructor(generate: Generate, maxBatch: number) {
    this.#generate = generate;
    this.#maxBatch = maxBatch;
  }

  async push(
    prompt: NativePrompt,
    options: NativeGenerateOptions,
    signal?: AbortSignal,
  ): Promise<NativeCompletion[]> {
    if (this.#closed) throw this.#closed;
    throwIfAborted(signal);
    return await new Promise((resolve, reject) => {
      const stop = () => {
        waiting.gone = true;
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(abortedError(signal!));
        waiting.onGone();
      };
      const settle = <T>(then: (value: T) => void) => {
        return (value: T) => {
          signal?.removeEventListener("abort", stop);
          then(value);
        };
      };
      const key = JSON.stringify({ ...options, stopTokens: [...options.stopTokens] });
      const waiting: Waiting = {
        prompt,
        options,
        key,
        gone: false,
        onGone: () => {},
        resolve: settle(resolve),
        reject: settle(reject),
      };
      if (signal) {
        setMaxListeners(0, signal); // every call for a batch of states may listen to the same signal
        signal.addEventListener("abort", stop, { once: true });
      }
      this.#waiting.push(waiting);
      void this.#run();
    });
  }

  /** Rejects all waiting and all later calls with `error`. */
  close(error: SwirlError): void {
    this.#closed = error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (;;) {
      // Wait one turn of the event loop, so that callers woken by the last batch can queue their next step.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = this.#take();
      if (batch.length === 0) break;
      await this.#serve(batch);
    }
    this.#running = false;
  }

  /** Takes the oldest call and all later ones with the same options, up to the limit. */
  #take(): Waiting[] {
    const first = this.#waiting[0];
    if (first === undefined) return [];
    const limit = Math.max(1, Math.floor(this.#maxBatch / first.options.n));
    const batch = this.#waiting.filter((waiting) => waiting.key === first.key).slice(0, limit);
    const taken = new Set(batch);
    this.#waiting = this.#waiting.filter((waiting) => !taken.has(waiting));
    return batch;
  }

  async #serve(batch: Waiting[]): Promise<void> {
    const abort = new AbortController();
    for (const waiting of batch) {
      waiting.onGone = () => {
        if (batch.every((other) => other.gone)) abort.abort();
      };
    }
    try {
      const prompts = batch.map((waiting) => waiting.prompt);
      const completions = await this.#generate(prompts, batch[0]!.options, abort.signal);
      for (const [i, waiting] of batch.entries()) waiting.resolve(completions[i]!);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }
}
