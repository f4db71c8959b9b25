/**
 * The native model as a policy: it samples, scores and learns, on token ids throughout.
 *
 * Guarantees: what was sampled is what is scored and trained, no id is ever decoded and encoded again; the same seed,
 * context and weights give the same action whatever else runs; calls run one after another in the order they came.
 * Rejects with SwirlErrors only; everything after dispose rejects with code "DISPOSED".
 */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import type {
  Dtype,
  NativeGenerateStats,
  NativeProfile,
  ParameterInfo,
  TensorKind,
} from "../native/addon.js";
import { Engine } from "../native/engine.js";
import { parseOptions } from "../options/parse-options.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkVocabulary } from "../tokenizer/vocabulary.js";
import { type Checkpoint, loadWeights, openCheckpoint } from "./checkpoint/checkpoint.js";
import type { ChoiceOptions, ChoiceResult, ChoiceScorer } from "./choice-scorer.js";
import { modelFolder } from "./model-folder.js";
import { chooseNatively } from "./native-choice.js";
import {
  type GenerateOptions,
  generateOptionsSchema,
  type LoadOptions,
  type LogprobsOptions,
  loadOptionsSchema,
  logprobsOptionsSchema,
  lossOptionsSchema,
  optimizerSchema,
  type SaveOptions,
  saveOptionsSchema,
  updateOptionsSchema,
} from "./native-options.js";
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
  /** Why device "auto" settled for the CPU. */
  readonly note: string | undefined;
  /** Format of matrix products and activations. */
  readonly dtype: Dtype;
  readonly trainable: boolean;

  readonly #engine: Engine;
  readonly #checkpoint: Checkpoint;
  readonly #tokens: TokenEngine;
  readonly #text: TextPolicy;
  readonly #state: PolicyState;
  #disposed = false;

  private constructor(
    engine: Engine,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer | undefined,
    hash: string,
    options: { dtype: Dtype; trainable: boolean; maxBatch: number },
  ) {
    this.#engine = engine;
    this.#checkpoint = checkpoint;
    this.#tokens = new TokenEngine(engine);
    this.#text = new TextPolicy(engine, this.#tokens, checkpoint, tokenizer, options.maxBatch);
    this.#state = new PolicyState(engine, this.#tokens, checkpoint, hash);
    this.device = engine.device;
    this.note = engine.note;
    this.dtype = options.dtype;
    this.trainable = options.trainable;
  }

  /**
   * `dir` is a Hugging Face model folder. Rejects with code "CHECKPOINT" (naming file, field or tensor), "DEVICE",
   * "MEMORY" or "CONFIG". A folder without tokenizer.json loads; begin, act and stop strings then reject.
   */
  static async load(dir: string, options: LoadOptions = {}): Promise<NativePolicy> {
    return await ofArgumentsAsync("Policy.load", "(folder, options)", async () => {
      const { signal, onProgress, chatTemplate, templateVariables, maxBatch, ...engineOptions } =
        parseOptions(loadOptionsSchema, options, "Policy.load");
      const folder = await modelFolder(dir);
      const checkpoint = await openCheckpoint(folder);
      const config = checkpoint.config.model;
      const tokenizer = await loadTokenizer(folder, {
        ...(chatTemplate === undefined ? {} : { chatTemplate }),
        ...(templateVariables === undefined ? {} : { templateVariables }),
      });
      if (tokenizer) checkVocabulary(tokenizer, config.vocab);
      const engine = await Engine.open({ ...engineOptions, config });
      try {
        const hash = await loadWeights(checkpoint, engine, {
          ...(signal === undefined ? {} : { signal }),
          ...(onProgress === undefined ? {} : { onProgress }),
        });
        return new NativePolicy(engine, checkpoint, tokenizer, hash, { ...engineOptions, maxBatch });
      } catch (error) {
        engine.dispose();
        throw error;
      }
    });
  }

  /** Folder name, hash of the weights as loaded, and the optimizer steps taken since they were new. */
  get id(): string {
    const step = this.#disposed ? 0 : this.#engine.optimizerStep();
    return step === 0 ? this.#state.name : `${this.#state.name}+${step}`;
  }

  get contextLength(): number {
    return this.#checkpoint.config.model.maxPositions;
  }

  /** Rows of the embedding: token ids are below it. */
  get vocabSize(): number {
    return this.#checkpoint.config.model.vocab;
  }

  /** Over the policy's life: prompt tokens computed, prompt tokens found in the cache, tokens sampled. */
  get stats(): NativeGenerateStats {
    return this.#tokens.stats;
  }

  /** Throws code "CHECKPOINT" for a folder that has none. */
  get tokenizer(): Tokenizer {
    return this.#text.tokenizer;
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
    return await this.#tokens.generate(read, native, call(signal, onProgress));
  }

  /** One array per sequence: log p(tokens[t] | tokens[<t]) for t = actionStart … end, in nats. */
  async logprobs(sequences: readonly Sequence[], options: LogprobsOptions = {}): Promise<Float32Array[]> {
    const { signal, onProgress, ...rest } = parseOptions(logprobsOptionsSchema, options, "logprobs");
    return await this.#tokens.logprobs(toSequences(sequences), rest, call(signal, onProgress));
  }

  async forwardBackward(
    batch: readonly TrainSequence[],
    options: LossOptions = {},
  ): Promise<GradientMetrics> {
    const { signal, onProgress, ...input } = parseOptions(lossOptionsSchema, options, "forwardBackward");
    const loss = resolveLoss(input);
    this.#requireTrainable("forwardBackward");
    const sequences = toTrainSequences(batch, loss.native);
    return await this.#tokens.forwardBackward(sequences, loss, call(signal, onProgress));
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
    return await this.#tokens.update(sequences, loss, optimizer, call(signal, onProgress));
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
    return this.#engine.memory();
  }

  /** Where the time of every call so far went. Rejects with code "CONFIG" unless loaded with `profile: true`. */
  async profile(): Promise<PolicyProfile> {
    return await this.#engine.profile();
  }

  /** A Hugging Face folder in the layout the model was loaded from; whole or absent. */
  async save(dir: string, options: SaveOptions = {}): Promise<void> {
    const { dtype } = parseOptions(saveOptionsSchema, options, "save");
    await this.#state.save(dir, dtype);
  }

  /** With the folder that `save` wrote, all that an exact resume needs. */
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
    this.#text.close(
      new SwirlError("DISPOSED", `the policy ${this.#state.name} was disposed`, { remedy: "load it again" }),
    );
    this.#engine.dispose();
  }

  /** Same as {@link dispose}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
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

async function loadTokenizer(
  dir: string,
  options: { chatTemplate?: string; templateVariables?: Record<string, unknown> },
): Promise<Tokenizer | undefined> {
  const there = await stat(join(dir, "tokenizer.json")).then(
    () => true,
    () => false,
  );
  return there ? await Tokenizer.load(dir, options) : undefined;
}

function call(signal?: AbortSignal, onProgress?: (done: number, total: number) => void) {
  return { ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }) };
}

export const nativePolicySchema = z.custom<NativePolicy>(
  (value) => {
    const policy = value as Partial<NativePolicy> | null | undefined;
    return typeof policy?.update === "function" && typeof policy.logprobs === "function";
  },
  { message: "must be a native policy (Policy.load(dir)): an endpoint cannot be trained" },
);
