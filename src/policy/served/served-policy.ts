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
import type { NativePolicy } from "../native-policy.js";
import type { Action, Context, Policy, SamplingOptions } from "../policy.js";
import { samplingSchema } from "../sampling.js";
import { TextPolicy } from "../text-policy.js";
import { removeVersions, writeVersion } from "./adapter-versions.js";
import { llamaCpp } from "./llama-cpp.js";
import { type PublishedAdapter, type PublishOptions, publishSchema } from "./publish-options.js";
import { readCompletion } from "./read-completion.js";
import { type ServedModel, servedModel } from "./served-model.js";
import { type ResolvedServedOptions, type ServedOptions, servedSchema } from "./served-options.js";
import { compareWithReference, probeSamples, type ServedProbe } from "./served-probe.js";
import type { CompletionRequest, Served, ServingApi } from "./serving-api.js";
import { sglang } from "./sglang.js";
import { vllm } from "./vllm.js";

const APIS: Record<ServedOptions["api"], ServingApi> = { vllm, sglang, "llama.cpp": llamaCpp };

const PROBE_TEXT = "Write a short story about a river.";
const PROBE_DEFAULTS = { tokens: 64, maxMean: 0.05, maxDifference: 1 };

/** What the servers sample from. */
interface Weights {
  /** The model's or adapter's name on the servers. */
  name: string | undefined;
  /** The folder of a published adapter, as the servers see it. */
  path?: string;
  reference?: NativePolicy;
  /** The reference's id when the servers had its weights. */
  referenceId?: string;
}

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
  readonly #onNote: (note: string) => void;
  /** Names that were published and not unloaded, oldest first. */
  readonly #loaded: string[] = [];
  #weights: Weights;
  #version = 0;
  #tokens = 0;
  #contextLength: number;

  private constructor(options: ResolvedServedOptions, model: ServedModel, onNote: (note: string) => void) {
    this.#options = options;
    this.#api = APIS[options.api];
    this.#model = model;
    this.#onNote = onNote;
    const reference = options.probe === false ? undefined : options.probe.reference;
    this.#weights = { name: options.model, ...(reference ? { reference, referenceId: reference.id } : {}) };
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
      verify: (endpoint, signal) => this.#verify(endpoint, signal),
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

  /** Names the kind of server and the model or the version of the adapter, for records. */
  get id(): string {
    return `${this.#options.api}#${this.#weights.name ?? this.#model.folder.split(/[\\/]/).at(-1)}`;
  }

  /** Maximum tokens of a context and its action: the least of what the servers and config.json say. */
  get contextLength(): number {
    return this.#contextLength;
  }

  /** Ids are below it. */
  get vocabSize(): number {
    return this.#model.vocabSize;
  }

  /** That of the option `tokenizer`. */
  get tokenizer(): Tokenizer {
    return this.#model.tokenizer;
  }

  /** Counts since the policy was connected. */
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

  /**
   * Gives the servers the adapter of a policy as it is now: writes it into a folder that they share as the next version,
   * loads it on each, compares their log-probs with the policy's, and then samples from it. Calls in flight end with the
   * version they began with; older ones are unloaded and removed. A server that fails goes down, and has the newest version
   * before it takes calls again. For vLLM and SGLang.
   *
   * @throws SwirlError CONFIG for a policy without an adapter, for servers that cannot load one, and where the log-probs
   * differ on every server; CHECKPOINT for the folder; ENDPOINT, ABORTED, DISPOSED. The version is then as before.
   */
  async publish(trained: NativePolicy, options: PublishOptions): Promise<PublishedAdapter> {
    const {
      folder,
      serverFolder = folder,
      name,
      keep,
      signal,
    } = parseOptions(publishSchema, options, "publish");
    const { loadAdapter, unloadAdapter } = this.#api;
    if (!loadAdapter || !unloadAdapter)
      throw new SwirlError("CONFIG", `publish: ${this.#api.name} loads no adapter while it runs`, {
        remedy: "serve with vLLM or SGLang, or start the server again with the new weights",
        details: { field: "api" },
      });
    if (trained?.adapterName === undefined)
      throw new SwirlError("CONFIG", "publish: the policy has no adapter", {
        remedy: "train an adapter: Policy.load(folder, { lora: { rank: 8 } })",
        details: { field: "policy" },
      });
    const place = { folder, serverFolder, name };
    const referenceId = trained.id;
    const { version, path, name: called } = await writeVersion(trained, place, this.#version);
    const next: Weights = { name: called, path, reference: trained, referenceId };
    this.#version = version;
    const { timeoutMs } = this.#options;
    // A server that never had it, or cannot let go of it, is no worse for that.
    const unload = (one: string, endpoint: EndpointClient, limit: AbortSignal) =>
      unloadAdapter(one, { endpoint, signal: limit, timeoutMs }).catch(() => {});
    const passed = await this.#fleet.onEach(async (endpoint, limit) => {
      await unload(called, endpoint, limit); // of an earlier run with another folder
      await this.#test(endpoint, next, limit);
    }, signal);
    if (trained.id !== referenceId)
      throw new SwirlError("CONFIG", "publish: the policy was trained while it was published", {
        remedy: "await publish before the next update",
        details: { field: "policy" },
      });
    this.#weights = next;
    this.#fleet.verifyAgain(passed); // one that came back meanwhile was tested with the version before
    this.#loaded.push(called);
    for (const old of this.#loaded.splice(0, this.#loaded.length - keep))
      await this.#fleet.onEach((endpoint, limit) => unload(old, endpoint, limit), signal);
    await removeVersions(place, keep);
    return { name: called, version, folder: path, probes: [...this.probes.values()] };
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
          (endpoint, limit) => this.#complete(request, this.#served(endpoint, limit)),
          { key, signal },
        );
        this.#tokens += completion.tokens.length;
        return completion;
      }),
    );
  }

  async #complete(request: CompletionRequest, served: Served): Promise<NativeCompletion> {
    try {
      const raw = await this.#api.complete(request, served);
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

  #served(endpoint: EndpointClient, signal: AbortSignal, { name }: Weights = this.#weights): Served {
    const { extraBody, processedLogprobs, timeoutMs } = this.#options;
    const { bytes, isControl } = this.#model;
    const none = new Uint8Array(0);
    const tokenBytes = (id: number) => (isControl(id) ? none : bytes(id));
    return { endpoint, model: name, extraBody, timeoutMs, signal, processedLogprobs, tokenBytes };
  }

  /** Before a server takes calls: its context length, the adapter, a reply that can be read, and its log-probs. */
  async #verify(endpoint: EndpointClient, signal: AbortSignal): Promise<void> {
    if (this.#options.contextLength === undefined) {
      // Not every version says it, which is no fault.
      const length = await this.#api.contextLength(this.#served(endpoint, signal)).catch(() => undefined);
      if (length !== undefined) this.#contextLength = Math.min(this.#contextLength, length);
    }
    await this.#test(endpoint, this.#weights, signal);
  }

  /** Loads a published adapter, and compares the server's log-probs with those of the weights that it should have. */
  async #test(endpoint: EndpointClient, weights: Weights, signal: AbortSignal): Promise<void> {
    const served = this.#served(endpoint, signal, weights);
    const { name, path, reference, referenceId } = weights;
    if (name !== undefined && path !== undefined) await this.#api.loadAdapter!({ name, path }, served);
    if (this.#options.probe === false && path === undefined) return;
    const limits = this.#options.probe || PROBE_DEFAULTS;
    // A reference that was trained since has other weights than the servers should have.
    const isCurrent = reference !== undefined && reference.id === referenceId;
    const server = endpoint.id.replace(/#.*$/, "");
    const { tokens: prompt } = this.#text.begin([{ role: "user", content: PROBE_TEXT }]);
    const samples = await probeSamples(
      (request) => this.#complete(request, served),
      { prompt: prompt!, stopTokens: this.#text.stopTokens, contextLength: this.#contextLength },
      isCurrent ? limits.tokens : 1,
    );
    const found = isCurrent
      ? await compareWithReference(server, samples, reference, limits)
      : { server, tokens: 0, mean: 0, max: 0 };
    this.probes.set(server, found);
    if (isCurrent)
      this.#onNote(
        `server ${server}: its log-probs differ from ${reference.id} by ${found.mean.toFixed(5)} nats in the mean, ` +
          `${found.max.toFixed(4)} at most (${found.tokens} tokens)`,
      );
  }
}

checkedMethods(ServedPolicy, {
  addServer: "a URL",
  removeServer: "a URL",
  begin: "(messages, tools)",
  act: "(context, options)",
  extend: "(context, action, observation, shown)",
});
