/**
 * One model on a Tinker server: passes, optimizer steps, saved weights.
 *
 * Requests reach the server in the order of the calls, numbered by seq_id without gaps; results are awaited side by side. A
 * step sends its forward_backward requests and the optim_step one after another without waiting for results.
 *
 * A step that fails after its first request was accepted, or may have been, leaves unknown weights: the client is then
 * `broken`, and every later call rejects with the reason. Nothing is guessed; a new client resumes from saved weights.
 */
import { randomBytes } from "node:crypto";
import type { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { requestsOf } from "./datum.js";
import { retrieve } from "./future.js";
import {
  type AdamParams,
  acceptedSchema,
  type Datum,
  doneSchema,
  type LoraConfig,
  modelSchema,
  passSchema,
  savedSchema,
  stepSchema,
} from "./messages.js";
import type { TinkerSession } from "./session.js";

export interface StepResult {
  /** [datums][T - 1] Log-probs that the gradient was taken at. */
  logprobs: number[][];
  /** What the server reports of the step; the names differ between servers. */
  metrics: Record<string, number | null>;
}

/** How long to wait for a result. */
export interface Wait {
  signal?: AbortSignal | undefined;
  /** Failed attempts in a row to get it; the connection's by default. */
  retries?: number | undefined;
}

/** What is known of a submitted request. */
interface Submitted {
  requestId: string;
  resubmit: (() => Promise<string>) | undefined;
}

/** Attempts at a name for saved weights, should a lost answer have left one taken. */
const NAMES = 3;

export class TrainingClient {
  /** Whether the server answers a repeated (model_id, seq_id) with the request it already has; see repeat-probe. */
  repeatable = false;
  /** Why this client cannot be used any more. */
  broken: SwirlError | undefined;
  #next = 1;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly session: TinkerSession,
    readonly modelId: string,
  ) {}

  /** A new model: the base with an adapter that changes nothing yet. */
  static async create(
    session: TinkerSession,
    model: { baseModel: string; lora: LoraConfig; sequence: number },
    signal?: AbortSignal,
  ): Promise<TrainingClient> {
    const { http } = session;
    const send = () =>
      http.call(
        "create_model",
        {
          session_id: session.id,
          model_seq_id: model.sequence,
          base_model: model.baseModel,
          lora_config: model.lora,
          type: "create_model",
        },
        acceptedSchema,
        { signal },
      );
    const accepted = await send();
    const made = await retrieve(http, {
      call: "create_model",
      requestId: accepted.request_id,
      schema: modelSchema,
      signal,
    });
    return new TrainingClient(session, made.model_id);
  }

  /** Log-probs of the targets, [datums][T - 1]. No gradients. */
  async forward(data: readonly Datum[], wait: Wait = {}): Promise<number[][]> {
    const parts: Promise<number[][]>[] = [];
    for (const part of requestsOf(data)) {
      const pass = this.#submit("forward", forwardBody(part), true).then((submitted) =>
        this.#pass("forward", submitted, part, wait),
      );
      pass.catch(() => {}); // awaited below
      parts.push(pass);
    }
    return (await Promise.all(parts)).flat();
  }

  /** Gradients of each call of `calls`, then one step of Adam on their sum. Not interrupted by anything once it began. */
  async step(
    calls: readonly (readonly Datum[])[],
    adam: AdamParams,
    lossFn: LossFn,
    wait: Pick<Wait, "retries"> = {},
  ): Promise<StepResult> {
    let accepted = 0;
    const running: Promise<unknown>[] = [];
    const track = <Value>(promise: Promise<Value>): Promise<Value> => {
      promise.catch(() => {});
      running.push(promise);
      return promise;
    };
    try {
      const passes: Promise<number[][]>[] = [];
      for (const part of calls.flatMap((data) => requestsOf(data))) {
        const input = { data: part, loss_fn: lossFn, loss_fn_config: null };
        const submitted = await this.#submit("forward_backward", { forward_backward_input: input }, false);
        accepted++;
        passes.push(track(this.#pass("forward_backward", submitted, part, wait)));
      }
      const submitted = await this.#submit("optim_step", { adam_params: adam, type: "optim_step" }, false);
      const stepped = track(this.#result("optim_step", submitted, stepSchema, wait));
      const logprobs = (await Promise.all(passes)).flat();
      return { logprobs, metrics: (await stepped)?.metrics ?? {} };
    } catch (error) {
      await Promise.allSettled(running);
      if (accepted > 0) this.#break(error);
      throw this.broken ?? error;
    }
  }

  /** Weights and optimizer state; resolves to the path that `load` takes. */
  async saveState(name: string, signal?: AbortSignal): Promise<string> {
    return await this.#save("save_weights", name, signal);
  }

  /** Weights for sampling; resolves to the path that a sampler takes. */
  async saveSampler(name: string, signal?: AbortSignal): Promise<string> {
    return await this.#save("save_weights_for_sampler", name, signal);
  }

  /** Puts the model where `saveState` left it; `optimizer` false leaves Adam's moments new. */
  async load(path: string, optimizer: boolean): Promise<void> {
    try {
      const submitted = await this.#submit("load_weights", { path, optimizer, type: "load_weights" }, false);
      await this.#result("load_weights", submitted, doneSchema);
    } catch (error) {
      this.#break(error);
      throw error;
    }
  }

  /** Marks the client as broken by something that was found out after a step; returns what to throw. */
  fail(cause: SwirlError): SwirlError {
    this.#break(cause);
    return this.broken ?? cause;
  }

  /** Frees the model on the server. Best effort: a server that does not know the call keeps it until the session ends. */
  async unload(): Promise<void> {
    const { http } = this.session;
    const limit = AbortSignal.timeout(Math.min(30_000, http.options.timeoutMs));
    try {
      await this.#tail;
      const body = { model_id: this.modelId, type: "unload_model" };
      const answer = await http.send("unload_model", body, limit);
      const accepted = acceptedSchema.safeParse(answer);
      if (!accepted.success) return;
      const { request_id: requestId } = accepted.data;
      await retrieve(http, { call: "unload_model", requestId, schema: doneSchema, signal: limit });
    } catch {
      // The model is no longer used whatever the server answered.
    }
  }

  /** Sends one forward twice under one seq_id: whether the server takes it for one request. */
  async probeRepeats(data: readonly Datum[], signal?: AbortSignal): Promise<boolean> {
    const submitted = await this.#submit("forward", forwardBody(data), true);
    const again = await submitted.resubmit!();
    await this.#pass("forward", submitted, data, { signal });
    this.repeatable = again === submitted.requestId;
    if (!this.repeatable) await this.#pass("forward", { ...submitted, requestId: again }, data, { signal });
    return this.repeatable;
  }

  async #save(call: string, name: string, signal: AbortSignal | undefined): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      // A name of its own for every attempt: one that was taken by an attempt whose answer was lost is never waited for.
      const path = `${name}-${randomBytes(4).toString("hex")}`;
      try {
        const submitted = await this.#submit(call, { path, type: call }, true);
        const saved = await this.#result(call, { ...submitted, resubmit: undefined }, savedSchema, {
          signal,
        });
        return saved.path;
      } catch (error) {
        const taken = SwirlError.isInstance(error) && error.details.status === 409;
        if (!taken || attempt + 1 === NAMES) throw error;
      }
    }
  }

  async #pass(
    call: string,
    submitted: Submitted,
    data: readonly Datum[],
    wait: Wait = {},
  ): Promise<number[][]> {
    const { loss_fn_outputs: outputs } = await this.#result(call, submitted, passSchema, wait);
    const lengths = data.map((datum) => datum.loss_fn_inputs.target_tokens!.data.length);
    const wrong = lengths.findIndex((length, i) => outputs[i]?.logprobs.data.length !== length);
    if (outputs.length !== data.length || wrong >= 0)
      throw new SwirlError(
        "ENDPOINT",
        `trainer ${this.session.http.host}: ${call} returned ${outputs.length} sequences for ${data.length}${wrong < 0 ? "" : `, and ${outputs[wrong]?.logprobs.data.length ?? 0} log-probs for the ${lengths[wrong]} tokens of sequence ${wrong}`}`,
        {
          remedy: "this is a fault of the server: report it, with its version",
          details: { host: this.session.http.host, call, trainer: true, final: true },
        },
      );
    return outputs.map(({ logprobs }) => logprobs.data);
  }

  async #result<Schema extends z.ZodType>(
    call: string,
    { requestId, resubmit }: Submitted,
    schema: Schema,
    { signal, retries }: Wait = {},
  ): Promise<z.output<Schema>> {
    return await retrieve(this.session.http, { call, requestId, schema, resubmit, signal, retries });
  }

  /** Sends one request after all before it were accepted. `harmless`: executing it twice changes nothing. */
  async #submit(call: string, body: object, harmless: boolean): Promise<Submitted> {
    const turn = this.#tail.then(async () => {
      if (this.session.lost) throw this.session.lost;
      if (this.broken) throw this.broken;
      const message = { model_id: this.modelId, seq_id: this.#next, ...body };
      const repeatable = harmless || this.repeatable;
      const send = async () =>
        (await this.session.http.call(call, message, acceptedSchema, { once: !repeatable })).request_id;
      try {
        const requestId = await send();
        this.#next++;
        return { requestId, resubmit: repeatable ? send : undefined };
      } catch (error) {
        if (!rejected(error)) this.#break(error);
        throw this.broken ?? error;
      }
    });
    this.#tail = turn.catch(() => {});
    return await turn;
  }

  #break(cause: unknown): void {
    if (this.broken) return;
    const reason = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    this.broken = new SwirlError("ENDPOINT", `the state of the model on the trainer is unknown: ${reason}`, {
      remedy: "connect again and resume: training continues from the last saved weights",
      details: { host: this.session.http.host, trainer: true, weightsUnknown: true },
      cause,
    });
  }
}

/** Losses of the server that this client sends. */
export type LossFn = "importance_sampling" | "cross_entropy";

function forwardBody(data: readonly Datum[]): object {
  return { forward_input: { data, loss_fn: "cross_entropy", loss_fn_config: null } };
}

/** Whether the server answered that it does not take the request: nothing of it was done, and its number is free. */
function rejected(error: unknown): boolean {
  if (!SwirlError.isInstance(error)) return false;
  const { status } = error.details;
  return typeof status === "number" && status >= 400 && status < 500 && status !== 408;
}
