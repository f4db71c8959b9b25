/**
 * A policy whose model is served elsewhere, by servers that take and return token ids: vLLM, SGLang, llama.cpp.
 *
 * Guarantees: prompts and turns are written here, by the model's own tokenizer and chat template, and what was sampled
 * stays as the ids that the server returned; nothing is decoded and encoded again. An action has a log-prob for each of
 * its tokens, under the distribution it was sampled from. A reply that cannot be read for certain is a failed attempt,
 * which is counted by its reason and tried on another server. Trajectories of this policy can be trained on.
 */
import type { EndpointClient } from "../../endpoint/endpoint-client.js";
import { Fleet, type FleetStats } from "../../endpoint/fleet.js";
import type { FleetServerStatus } from "../../endpoint/fleet-server.js";
import { checkedMethods, ofArgumentsAsync } from "../../errors/arguments.js";
import { SwirlError } from "../../errors/swirl-error.js";
import type { Message, ToolSpec } from "../../messages/message.js";
import type { NativeCompletion, NativeGenerateOptions, NativePrompt } from "../../native/addon.js";
import { parseOptions } from "../../options/parse-options.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { requestSeed } from "../endpoint-request.js";
import type { Action, Context, Policy, SamplingOptions } from "../policy.js";
import { samplingSchema } from "../sampling.js";
import { TextPolicy } from "../text-policy.js";
import { llamaCpp } from "./llama-cpp.js";
import { readCompletion } from "./read-completion.js";
import { type ServedModel, servedModel } from "./served-model.js";
import { type ResolvedServedOptions, type ServedOptions, servedSchema } from "./served-options.js";
import { compareWithReference, type ProbeSample, type ServedProbe } from "./served-probe.js";
import type { CompletionRequest, Served, ServingApi } from "./serving-api.js";
import { sglang } from "./sglang.js";
import { vllm } from "./vllm.js";

const APIS: Record<ServedOptions["api"], ServingApi> = { vllm, sglang, "llama.cpp": llamaCpp };

/** Replies that a probe asks a server for at most. */
const MOST_PROBES = 16;

/** Counts of a {@link ServedPolicy} since it was connected. */
export interface ServedStats extends FleetStats {
  /** Tokens sampled, in completions that were accepted. */
  tokens: number;
  /** Replies that could not be read for certain, by reason: "count", "no token ids", "outside vocabulary", … */
  unreadable: Record<string, number>;
}

/**
 * A policy behind one or more servers that take and return token ids.
 *
 * @example
 * await using policy = await Policy.connect({
 *   servers: ["http://10.0.0.1:8000", "http://10.0.0.2:8000"],
 *   api: "vllm", model: "Qwen/Qwen2.5-0.5B-Instruct", tokenizer: "models/qwen",
 * });
 * for await (const trajectory of synthesize(questions, { policy, task })) console.log(trajectory.end);
 */
export class ServedPolicy implements Policy, AsyncDisposable {
  /** Names the kind of server and the model, for records. */
  readonly id: string;
  /** Always true: contexts and actions carry tokens and log-probs. */
  readonly exact = true;
  /** The latest comparison of each server with the reference. */
  readonly probes = new Map<string, ServedProbe>();

  readonly #options: ResolvedServedOptions;
  readonly #api: ServingApi;
  readonly #model: ServedModel;
  readonly #fleet: Fleet;
  readonly #text: TextPolicy;
  /** What the contexts of one trajectory have in common. */
  readonly #trajectories = new WeakMap<Context, object>();
  readonly #unreadable: Record<string, number> = {};
  #tokens = 0;
  #contextLength: number;

  private constructor(options: ResolvedServedOptions, model: ServedModel, onNote: (note: string) => void) {
    this.#options = options;
    this.#api = APIS[options.api];
    this.#model = model;
    this.id = `${options.api}#${options.model ?? model.folder.split(/[\\/]/).at(-1)}`;
    this.#contextLength = options.contextLength ?? model.contextLength;
    this.#text = new TextPolicy({
      folder: model.folder,
      tokenizer: model.tokenizer,
      eosTokens: [],
      contextLength: () => this.#contextLength,
      sample: (prompt, native, { context, signal }) => this.#sample(prompt, native, context, signal),
    });
    this.#fleet = new Fleet(options, {
      model: options.model ?? options.api,
      health: (endpoint, signal) => this.#api.health(endpoint, signal),
      verify: (endpoint, signal) => this.#verify(endpoint, signal, onNote),
      onNote,
    });
  }

  /**
   * Connects to the servers and tests each of them; at least one must pass. Use `Policy.connect({ servers, … })`.
   *
   * @throws SwirlError CONFIG for bad options, and for log-probs that are not those of the reference; CHECKPOINT for the
   * tokenizer; ENDPOINT when no server answers as it should; ABORTED.
   */
  static async connect(options: ServedOptions): Promise<ServedPolicy> {
    return await ofArgumentsAsync("Policy.connect", "{ servers, api, tokenizer, … }", async () => {
      const resolved = parseOptions(servedSchema, options, "Policy.connect");
      const { signal, onNote = (note: string) => process.emitWarning(note, "SwirlWarning") } = resolved;
      const model = await servedModel(resolved.tokenizer, signal);
      const policy = new ServedPolicy(resolved, model, onNote);
      await policy.#fleet.start(signal);
      return policy;
    });
  }

  get contextLength(): number {
    return this.#contextLength;
  }

  /** Ids are below it. */
  get vocabSize(): number {
    return this.#model.vocabSize;
  }

  get tokenizer(): Tokenizer {
    return this.#model.tokenizer;
  }

  get stats(): ServedStats {
    return { ...this.#fleet.stats, tokens: this.#tokens, unreadable: { ...this.#unreadable } };
  }

  /** What is known of each server. */
  get servers(): FleetServerStatus[] {
    return this.#fleet.servers;
  }

  /** A further server. It takes calls once its tests have passed. */
  addServer(url: string): void {
    this.#fleet.add(url);
  }

  /** Takes a server out: calls in flight end there, and it gets no more. */
  removeServer(url: string): void {
    this.#fleet.remove(url);
  }

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    const context = this.#text.begin(messages, tools);
    this.#trajectories.set(context, {});
    return context;
  }

  /**
   * Samples `n` actions, each by a call of its own, on the server that holds the trajectory's prefix.
   *
   * @throws SwirlError CONFIG for sampling options under which the servers would report other log-probs, ENDPOINT after
   * the retries, ABORTED, DISPOSED.
   */
  async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
    const { signal, ...sampling } = parseOptions(samplingSchema, options, "act");
    return await this.#text.act(context, sampling, signal);
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    const next = this.#text.extend(context, action, observation, shown);
    const trajectory = this.#trajectories.get(context);
    if (trajectory) this.#trajectories.set(next, trajectory);
    return next;
  }

  /** Ends calls in flight. Later ones reject with code DISPOSED. Idempotent. */
  async dispose(): Promise<void> {
    this.#fleet.close(
      new SwirlError("DISPOSED", `the policy ${this.id} was disposed`, { remedy: "connect again" }),
    );
  }

  /** Same as {@link dispose}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #sample(
    prompt: NativePrompt,
    native: NativeGenerateOptions,
    context: Context,
    signal: AbortSignal | undefined,
  ): Promise<NativeCompletion[]> {
    const seed = Number(BigInt.asUintN(31, prompt.seed));
    const requests = Array.from(
      { length: native.n },
      (_, i): CompletionRequest => ({
        prompt: prompt.tokens,
        maxNewTokens: prompt.maxNewTokens,
        temperature: native.temperature,
        topK: native.topK,
        topP: native.topP,
        stopStrings: native.stopStrings,
        stopTokens: native.stopTokens,
        seed: requestSeed(seed, i),
      }),
    );
    this.#api.requireLogprobs(requests[0]!, this.#options);
    const key = this.#trajectories.get(context);
    return await Promise.all(
      requests.map(async (request) => {
        const completion = await this.#fleet.call(
          (endpoint, limit) => this.#complete(request, endpoint, limit),
          { key, signal },
        );
        this.#tokens += completion.tokens.length;
        return completion;
      }),
    );
  }

  async #complete(
    request: CompletionRequest,
    endpoint: EndpointClient,
    signal: AbortSignal,
  ): Promise<NativeCompletion> {
    try {
      const raw = await this.#api.complete(request, this.#served(endpoint, signal));
      return readCompletion(raw, request, {
        size: this.#model.vocabSize,
        bytes: this.#model.bytes,
        contextLength: this.#contextLength,
      });
    } catch (error) {
      const reason = SwirlError.isInstance(error) ? error.details.unreadable : undefined;
      if (typeof reason === "string") this.#unreadable[reason] = (this.#unreadable[reason] ?? 0) + 1;
      throw error;
    }
  }

  #served(endpoint: EndpointClient, signal: AbortSignal): Served {
    const { model, extraBody, processedLogprobs, timeoutMs } = this.#options;
    const { bytes, isControl } = this.#model;
    const none = new Uint8Array(0);
    const tokenBytes = (id: number) => (isControl(id) ? none : bytes(id));
    return { endpoint, model, extraBody, timeoutMs, signal, processedLogprobs, tokenBytes };
  }

  /** Before a server takes calls: its context length, a reply that can be read, and its log-probs next to the reference's. */
  async #verify(
    endpoint: EndpointClient,
    signal: AbortSignal,
    onNote: (note: string) => void,
  ): Promise<void> {
    const served = this.#served(endpoint, signal);
    if (this.#options.contextLength === undefined) {
      // Not every version says it, which is no fault.
      const length = await this.#api.contextLength(served).catch(() => undefined);
      if (length !== undefined) this.#contextLength = Math.min(this.#contextLength, length);
    }
    const { probe } = this.#options;
    if (probe === false) return;
    const server = endpoint.id.replace(/#.*$/, "");
    const { reference } = probe;
    const samples = await this.#probeSamples(endpoint, reference ? probe.tokens : 1, signal);
    const found = reference
      ? await compareWithReference(server, samples, reference, probe)
      : { server, tokens: 0, mean: 0, max: 0 };
    this.probes.set(server, found);
    if (reference)
      onNote(
        `server ${server}: its log-probs differ from ${reference.id} by ${found.mean.toFixed(5)} nats in the mean, ` +
          `${found.max.toFixed(4)} at most (${found.tokens} tokens)`,
      );
  }

  /** Completions of one prompt, until they have `count` tokens together. */
  async #probeSamples(endpoint: EndpointClient, count: number, signal: AbortSignal): Promise<ProbeSample[]> {
    const { tokens } = this.#text.begin([{ role: "user", content: "Write a short story about a river." }]);
    const prompt = tokens!;
    const samples: ProbeSample[] = [];
    let left = count;
    for (let seed = 1; left > 0 && seed <= MOST_PROBES; seed++) {
      const { tokens: sampled, logprobs } = await this.#complete(
        {
          prompt,
          maxNewTokens: Math.max(1, Math.min(left, this.#contextLength - prompt.length - 1)),
          temperature: 1,
          topK: 0,
          topP: 1,
          stopStrings: [],
          stopTokens: this.#text.stopTokens,
          seed,
        },
        endpoint,
        signal,
      );
      samples.push({ prompt, tokens: sampled, logprobs });
      left -= sampled.length;
    }
    return samples;
  }
}

checkedMethods(ServedPolicy, {
  addServer: "a URL",
  removeServer: "a URL",
  begin: "(messages, tools)",
  act: "(context, options)",
  extend: "(context, action, observation, shown)",
});
