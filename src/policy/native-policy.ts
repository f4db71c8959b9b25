/**
 * The native model as a policy: it samples, scores and learns, on token ids throughout.
 *
 * Guarantees: the tokens that were sampled are the tokens that are scored and trained, never decoded and encoded again;
 * the same seed, context and weights give the same action whatever else runs; calls run one after another in the order
 * they came. Rejects with SwirlErrors only; everything after dispose rejects with code "DISPOSED".
 */

import { z } from "zod";
import { checkedMethods, ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import type {
  Dtype,
  NativeGenerateStats,
  NativeProfile,
  ParameterInfo,
  TensorKind,
} from "../native/addon.js";
import type { EngineView } from "../native/engine-view.js";
import { parseOptions } from "../options/parse-options.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { ActQueue } from "./act-queue.js";
import type { ChoiceOptions, ChoiceResult, ChoiceScorer } from "./choice-scorer.js";
import type { LoadedModel, Weights } from "./loaded-model.js";
import { mergePolicy } from "./merge-policy.js";
import { chooseNatively } from "./native-choice.js";
import {
  type AdapterOptions,
  type GenerateOptions,
  generateOptionsSchema,
  type LoadOptions,
  type LogprobsOptions,
  logprobsOptionsSchema,
  lossOptionsSchema,
  type MergeOptions,
  type MergeReport,
  optimizerSchema,
  type SaveOptions,
  saveOptionsSchema,
  updateOptionsSchema,
} from "./native-options.js";
import { openAdapterWeights, openWeights, trainsAllWeights } from "./open-weights.js";
import type { Action, Context, Policy, SamplingOptions } from "./policy.js";
import { PolicyState } from "./policy-state.js";
import { resolveLoss } from "./resolve-loss.js";
import { samplingSchema } from "./sampling.js";
import { type Sequence, type TrainSequence, toSequences, toTokens, toTrainSequences } from "./sequences.js";
import { TextPolicy, toPrompt } from "./text-policy.js";
import { TokenEngine } from "./token-engine.js";
import type { TrainablePolicy } from "./trainable-policy.js";
import type { GradientMetrics, StepMetrics, UpdateMetrics } from "./training-metrics.js";
import type { LossOptions, OptimizerOptions, UpdateOptions } from "./training-options.js";
import { watchedCall } from "./watching.js";

/** One completion of {@link NativePolicy.generate}. */
export interface Completion {
  /** [tokens] Token ids as sampled, with the token that ended it. */
  tokens: Int32Array;
  /** [tokens] Log-probs under the distribution that was sampled from, in nats. */
  logprobs: Float32Array;
  /** "stop": at a stop string or stop token. "eos": the model ended its turn. "length": at the token limit. */
  finishReason: "stop" | "eos" | "length";
}

/** Where an engine's time went; see NativeProfile for every field. */
export type PolicyProfile = NativeProfile;

export class NativePolicy implements Policy, TrainablePolicy, ChoiceScorer, AsyncDisposable {
  readonly exact = true;
  /** The device that runs the model: "cpu", "cuda:0". */
  readonly device: string;
  /** Why device "auto" chose the CPU. */
  readonly note: string | undefined;
  /** Format of matrix products and activations. */
  readonly dtype: Dtype;
  readonly trainable: boolean;

  /** Name of the adapter in use; undefined = the policy uses the model's own weights. */
  readonly adapterName: string | undefined;

  readonly #model: LoadedModel;
  readonly #weights: Weights;
  readonly #engine: EngineView;
  readonly #tokens: TokenEngine;
  readonly #queue: ActQueue;
  readonly #text: TextPolicy;
  readonly #state: PolicyState;
  /** Whether `load` returned this policy: then the model is disposed with it. */
  readonly #owns: boolean;
  #base: NativePolicy | undefined;
  #disposed = false;

  private constructor(model: LoadedModel, weights: Weights, options: { trainable: boolean; owns: boolean }) {
    const { engine, checkpoint, tokenizer } = model;
    this.#model = model;
    this.#weights = weights;
    this.#engine = weights.view;
    this.#owns = options.owns;
    this.#tokens = new TokenEngine(weights.view);
    this.#queue = new ActQueue(
      (prompts, native, signal) =>
        this.#tokens.generate(prompts, native, signal === undefined ? {} : { signal }),
      model.options.maxBatch,
    );
    this.#text = new TextPolicy({
      folder: checkpoint.folder,
      tokenizer,
      eosTokens: checkpoint.config.eosTokens,
      contextLength: () => this.contextLength,
      sample: (prompt, native, { signal }) => this.#queue.push(prompt, native, signal),
      prepareStops: (ofModel) => {
        const { bytes, offsets } = ofModel.tokenBytes(checkpoint.config.model.vocab);
        this.#engine.setTokenBytes(bytes, offsets);
      },
    });
    this.#state = new PolicyState(model, weights, this.#tokens);
    this.device = engine.device;
    this.note = engine.note;
    this.dtype = model.options.dtype;
    this.trainable = options.trainable;
    this.adapterName = weights.adapter?.name;
  }

  /**
   * `dir` is a Hugging Face model folder, or the folder of a PEFT adapter. Rejects with code "CHECKPOINT" (naming file,
   * field or tensor), "DEVICE", "MEMORY" or "CONFIG". A folder without tokenizer.json loads; begin, act and stop
   * strings then reject.
   */
  static async load(dir: string, options: LoadOptions = {}): Promise<NativePolicy> {
    return await ofArgumentsAsync("Policy.load", "(folder, options)", async () => {
      const { model, weights, trainable } = await openWeights(dir, options);
      return new NativePolicy(model, weights, { trainable, owns: true });
    });
  }

  // Adapters

  /**
   * The base without any adapter, for the reference of a KL penalty: the same weights in memory. It is disposed with
   * the policy that `load` returned. Throws code "CONFIG" for a policy that trains all weights, since its base would
   * change.
   */
  get base(): NativePolicy {
    if (this.#model.options.trainable) throw trainsAllWeights("base", this.#state.name);
    this.#base ??= new NativePolicy(this.#model, this.#model.base, { trainable: false, owns: false });
    return this.#base;
  }

  /** Whether these weights compute what the base computes: those of a new adapter that nothing has changed yet. */
  get isBase(): boolean {
    const { adapter } = this.#weights;
    return !this.#model.options.trainable && (!adapter || (adapter.isNew && !this.#tokens.changed));
  }

  /**
   * A further adapter on the same base: a policy of its own that samples, scores and learns alongside this one, with no
   * second copy of the base. Disposing it frees the adapter alone; disposing the policy that `load` returned disposes
   * it too.
   *
   * @throws SwirlError INPUT for a name in use, CONFIG for a policy that trains all weights; as `load` for the rest.
   * @example
   * await using judge = await policy.adapter("judge", { adapter: "adapters/judge", trainable: false });
   */
  async adapter(name: string, options: AdapterOptions): Promise<NativePolicy> {
    const { weights, trainable } = await openAdapterWeights(this.#model, name, options);
    return new NativePolicy(this.#model, weights, { trainable, owns: false });
  }

  /** Folder name, hash of the weights as loaded, and the optimizer steps taken since they were new. */
  get id(): string {
    const step = this.#disposed || this.#model.disposed ? 0 : this.#engine.optimizerStep();
    return step === 0 ? this.#state.name : `${this.#state.name}+${step}`;
  }

  get contextLength(): number {
    return this.#model.checkpoint.config.model.maxPositions;
  }

  /** Rows of the embedding: token ids are below it. */
  get vocabSize(): number {
    return this.#model.checkpoint.config.model.vocab;
  }

  /** Over the policy's life: prompt tokens computed, prompt tokens found in the cache, tokens sampled. */
  get stats(): NativeGenerateStats {
    return this.#tokens.stats;
  }

  /** Throws code "CHECKPOINT" for a folder that has none. */
  get tokenizer(): Tokenizer {
    return this.#text.tokenizer;
  }

  /**
   * Writes the base with this adapter merged in, as a Hugging Face folder, and reports what rounding changed: the
   * log-probs of a probe before and after. For that the merged folder is loaded, so its weights must fit next to those
   * in use.
   */
  async merge(dir: string, options: MergeOptions = {}): Promise<MergeReport> {
    return await mergePolicy(this, this.#model, this.#weights, dir, options, NativePolicy.load);
  }

  // Text: contexts and actions

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    return this.#text.begin(messages, tools);
  }

  async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
    const { signal, ...sampling } = parseOptions(samplingSchema, options, "act");
    return await this.#text.act(context, sampling, signal);
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    return this.#text.extend(context, action, observation, shown);
  }

  async choose(context: Context, options: ChoiceOptions): Promise<ChoiceResult> {
    return await chooseNatively(this, context, options);
  }

  // Tokens: sampling, scoring, learning

  /** `n` completions of each prompt; prompt i uses stream `seed + i`. Rejects with code "ABORTED" on abort. */
  async generate(
    prompts: readonly { tokens: ArrayLike<number> }[],
    options: GenerateOptions = {},
  ): Promise<Completion[][]> {
    const { signal, onProgress, stopTokens, maxNewTokens, seed, ...sampling } = parseOptions(
      generateOptionsSchema,
      options,
      "generate",
    );
    const stops = stopTokens === undefined ? this.#text.stopTokens : toTokens(stopTokens, "stopTokens");
    const native = this.#text.nativeSampling(sampling, stops);
    const read = prompts.map(({ tokens }, i) =>
      toPrompt(
        toTokens(tokens, `prompts[${i}].tokens`),
        maxNewTokens,
        seed === undefined ? undefined : BigInt(seed) + BigInt(i), // a number would round near 2^53
      ),
    );
    return await this.#tokens.generate(read, native, watchedCall(signal, onProgress));
  }

  /** One array per sequence: log p(tokens[t] | tokens[<t]) for t = actionStart … end, in nats. */
  async logprobs(sequences: readonly Sequence[], options: LogprobsOptions = {}): Promise<Float32Array[]> {
    const { signal, onProgress, ...rest } = parseOptions(logprobsOptionsSchema, options, "logprobs");
    return await this.#tokens.logprobs(toSequences(sequences), rest, watchedCall(signal, onProgress));
  }

  async forwardBackward(
    batch: readonly TrainSequence[],
    options: LossOptions = {},
  ): Promise<GradientMetrics> {
    const { signal, onProgress, ...input } = parseOptions(lossOptionsSchema, options, "forwardBackward");
    const loss = resolveLoss(input);
    this.#requireTrainable("forwardBackward");
    const sequences = toTrainSequences(batch, loss.native);
    return await this.#tokens.forwardBackward(sequences, loss, watchedCall(signal, onProgress));
  }

  async optimStep(options: OptimizerOptions = {}): Promise<StepMetrics> {
    const optimizer = parseOptions(optimizerSchema, options, "optimStep");
    this.#requireTrainable("optimStep");
    return await this.#tokens.optimStep(optimizer, {});
  }

  async zeroGradients(): Promise<void> {
    this.#requireTrainable("zeroGradients");
    await this.#engine.zeroGradients();
  }

  async update(batch: readonly TrainSequence[], options: UpdateOptions = {}): Promise<UpdateMetrics> {
    const { signal, onProgress, optimizer, ...input } = parseOptions(updateOptionsSchema, options, "update");
    const loss = resolveLoss(input);
    this.#requireTrainable("update");
    const sequences = toTrainSequences(batch, loss.native);
    return await this.#tokens.update(sequences, loss, optimizer, watchedCall(signal, onProgress));
  }

  // State

  parameters(): ParameterInfo[] {
    return this.#state.parameters();
  }

  async readParameter(name: string, kind: TensorKind = "weight"): Promise<Float32Array> {
    return await this.#state.read(name, kind);
  }

  async writeParameter(name: string, values: ArrayLike<number>, kind: TensorKind = "weight"): Promise<void> {
    if (kind !== "weight") this.#requireTrainable("writeParameter");
    if (!this.#owns && this.adapterName === undefined) throw this.#frozenBase();
    await this.#state.write(name, values, kind);
  }

  /** Optimizer steps taken since the weights were new. */
  optimizerStep(): number {
    return this.#engine.optimizerStep();
  }

  /** Bytes a tree of this size would need, and what the engine may use. */
  estimate(
    treeTokens: number,
    labels: number,
  ): {
    /** Bytes needed. */
    bytes: number;
    /** Bytes that the engine may use. */
    budget: number;
  } {
    return this.#engine.estimate(treeTokens, labels);
  }

  /** Memory of the engine. */
  memory(): {
    /** Bytes in use. */
    bytes: number;
    /** Most bytes in use at once so far. */
    peakBytes: number;
    /** Bytes that the engine may use. */
    budget: number;
  } {
    return this.#model.engine.memory();
  }

  /** Where the time of every call so far went. Rejects with code "CONFIG" unless loaded with `profile: true`. */
  async profile(): Promise<PolicyProfile> {
    return await this.#model.engine.profile();
  }

  /** Saves a Hugging Face folder in the layout the model was loaded from; it is complete or absent. */
  async save(dir: string, options: SaveOptions = {}): Promise<void> {
    const { dtype } = parseOptions(saveOptionsSchema, options, "save");
    await this.#state.save(dir, dtype);
  }

  /** Saves the optimizer state. With the folder that `save` wrote, it is all that an exact resume needs. */
  async saveOptimizer(file: string): Promise<void> {
    this.#requireTrainable("saveOptimizer");
    await this.#state.saveOptimizer(file);
  }

  /** Restores weights (float32), moments and step as saveOptimizer found them. */
  async loadOptimizer(file: string): Promise<void> {
    this.#requireTrainable("loadOptimizer");
    await this.#state.loadOptimizer(file);
  }

  /** Idempotent. Calls in flight reject with code "DISPOSED". */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const error = new SwirlError("DISPOSED", `the policy ${this.#state.name} was disposed`, {
      remedy: "load it again",
    });
    this.#queue.close(error);
    if (this.#owns) return this.#model.dispose();
    this.#engine.close(error);
    if (this.adapterName !== undefined && !this.#model.disposed)
      await this.#model.removeAdapter(this.adapterName);
  }

  /** Same as {@link dispose}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #frozenBase(): SwirlError {
    return new SwirlError(
      "CONFIG",
      `writeParameter: ${this.#state.name} is the base of adapters, and frozen`,
      {
        remedy: "write the parameters of the adapter, or load the model by itself",
        details: { field: "name" },
      },
    );
  }

  #requireTrainable(what: string): void {
    if (this.trainable) return;
    throw new SwirlError(
      "CONFIG",
      `${what}: the policy ${this.#state.name} was loaded with trainable: false`,
      {
        remedy: "load it with trainable: true",
        details: { field: "trainable" },
      },
    );
  }
}

export const nativePolicySchema = z.custom<NativePolicy>(
  (value) => {
    const policy = value as Partial<NativePolicy> | null | undefined;
    return typeof policy?.update === "function" && typeof policy.logprobs === "function";
  },
  { message: "must be a native policy (Policy.load(dir)): an endpoint cannot be trained" },
);

checkedMethods(NativePolicy, {
  begin: "(messages, tools)",
  act: "(context, options)",
  extend: "(context, action, observation, shown)",
  choose: "(context, { lead, choices, … })",
  generate: "(prompts, options)",
  logprobs: "(sequences, options)",
  forwardBackward: "(batch, options)",
  update: "(batch, options)",
  readParameter: "(name, kind)",
  writeParameter: "(name, values, kind)",
  save: "(folder, options)",
  saveOptimizer: "a file",
  loadOptimizer: "a file",
});
