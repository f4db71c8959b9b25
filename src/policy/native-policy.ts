/**
 * The native model as a policy: it samples, scores and learns, on token ids throughout.
 *
 * Guarantees: what was sampled is what is scored and trained, no id is ever decoded and encoded again; the same seed,
 * context and weights give the same action whatever else runs; calls run one after another in the order they came.
 * Rejects with SwirlErrors only; everything after dispose rejects with code "DISPOSED".
 */

import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import { maskThoughts, thoughtSpans } from "../messages/thought.js";
import type {
  Dtype,
  NativeGenerateOptions,
  NativeGenerateStats,
  NativeProfile,
  NativePrompt,
  NativeUpdateMetrics,
  ParameterInfo,
  TensorKind,
} from "../native/addon.js";
import { Engine } from "../native/engine.js";
import { parseOptions } from "../options/parse-options.js";
import { deriveSeed } from "../random/derive-seed.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkVocabulary } from "../tokenizer/vocabulary.js";
import { ActQueue } from "./act-queue.js";
import { type Checkpoint, loadWeights, openCheckpoint } from "./checkpoint/checkpoint.js";
import { saveCheckpoint } from "./checkpoint/save-checkpoint.js";
import { elements, engineParts, joined } from "./checkpoint/tensor-parts.js";
import type { ChoiceOptions, ChoiceResult, ChoiceScorer } from "./choice-scorer.js";
import { joinTokens } from "./join-tokens.js";
import { modelFolder } from "./model-folder.js";
import { chooseNatively } from "./native-choice.js";
import {
  type GenerateOptions,
  generateOptionsSchema,
  type LoadOptions,
  type LogprobsOptions,
  type LossOptions,
  loadOptionsSchema,
  logprobsOptionsSchema,
  lossOptionsSchema,
  type SaveOptions,
  saveOptionsSchema,
  type UpdateOptions,
  updateOptionsSchema,
} from "./native-options.js";
import { opensThought } from "./opens-thought.js";
import { loadOptimizerState, saveOptimizerState } from "./optimizer-state.js";
import { pastThought } from "./past-thought.js";
import type { Action, Context, Policy, SamplingOptions } from "./policy.js";
import { samplingSchema } from "./sampling.js";
import { type Sequence, type TrainSequence, toSequences, toTokens, toTrainSequences } from "./sequences.js";

export interface Completion {
  tokens: Int32Array; // the token that ended it included
  logprobs: Float32Array; // of the distribution sampled from
  finishReason: "stop" | "eos" | "length";
}

/** Where an engine's time went; see NativeProfile for every field. */
export type PolicyProfile = NativeProfile;

/** What one update did; see NativeUpdateMetrics for every field. */
export type UpdateMetrics = NativeUpdateMetrics;

/** Tokens an action may have when the caller does not say. */
const MAX_NEW_TOKENS = 512;

export class NativePolicy implements Policy, ChoiceScorer, AsyncDisposable {
  readonly exact = true;
  readonly device: string;
  /** Why device "auto" settled for the CPU. */
  readonly note: string | undefined;
  readonly dtype: Dtype;
  readonly trainable: boolean;
  /** Over the policy's life: prompt tokens computed, prompt tokens found in the cache, tokens sampled. */
  readonly stats: NativeGenerateStats = { prefillTokens: 0, cachedTokens: 0, decodedTokens: 0 };

  readonly #engine: Engine;
  readonly #checkpoint: Checkpoint;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #name: string;
  readonly #stopTokens: Int32Array;
  readonly #queue: ActQueue;
  #knowsTokenBytes = false;
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
    this.#tokenizer = tokenizer;
    this.#name = `${basename(resolve(checkpoint.folder))}@${hash.slice(0, 12)}`;
    this.#stopTokens = Int32Array.from(tokenizer?.eosTokens ?? checkpoint.config.eosTokens);
    this.#queue = new ActQueue(
      (prompts, native, signal) => this.#sample(prompts, native, { signal }),
      options.maxBatch,
    );
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
    const { signal, onProgress, chatTemplate, templateVariables, maxBatch, ...engineOptions } = parseOptions(
      loadOptionsSchema,
      options,
      "Policy.load",
    );
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
  }

  /** Folder name, hash of the weights as loaded, and the optimizer steps taken since they were new. */
  get id(): string {
    const step = this.#disposed ? 0 : this.#engine.optimizerStep();
    return step === 0 ? this.#name : `${this.#name}+${step}`;
  }

  get contextLength(): number {
    return this.#checkpoint.config.model.maxPositions;
  }

  get vocabSize(): number {
    return this.#checkpoint.config.model.vocab;
  }

  /** Rejects with code "CHECKPOINT" for a folder that has none. */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    const file = join(this.#checkpoint.folder, "tokenizer.json");
    throw new SwirlError("CHECKPOINT", `${file} is not there, so this policy knows tokens but no text`, {
      remedy: "put the model's tokenizer.json and tokenizer_config.json into its folder",
      details: { file },
    });
  }

  // Text: contexts and actions

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    return {
      messages: [...messages],
      ...(tools && tools.length > 0 ? { tools: [...tools] } : {}),
      tokens: this.tokenizer.chat.renderPrompt(messages, tools),
    };
  }

  async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
    const { signal, ...sampling } = parseOptions(samplingSchema, options, "act");
    const tokens = this.#contextTokens(context);
    const left = this.contextLength - tokens.length;
    if (left < 1) {
      throw new SwirlError(
        "INPUT",
        `the context has ${tokens.length} tokens, all that fit into ${this.contextLength}`,
        {
          remedy: "end the trajectory before its context is full, or strip earlier thoughts from its states",
          details: { field: "context.tokens" },
        },
      );
    }
    const maxNewTokens = Math.min(sampling.maxNewTokens ?? MAX_NEW_TOKENS, left);
    const native = this.#nativeSampling(sampling, this.#stopTokens);
    const prompt = toPrompt(tokens, maxNewTokens, sampling.seed);
    const opened = opensThought(this, context);
    const completions = await this.#queue.push(prompt, native, signal);
    const wholes = completions.map((first, index) =>
      pastThought(first, {
        maxNewTokens,
        inThought: (sampled) => thoughtSpans(this.tokenizer.decode(sampled), opened).unclosed,
        sample: async (sampled, room) => {
          const seed =
            sampling.seed === undefined ? undefined : deriveSeed(sampling.seed, index, sampled.length);
          const next = toPrompt(joinTokens(tokens, sampled), room, seed);
          return (await this.#queue.push(next, { ...native, n: 1 }, signal))[0]!;
        },
      }),
    );
    return (await Promise.all(wholes)).map(({ tokens: sampled, logprobs, finishReason }) => ({
      text: this.#actionText(sampled, sampling.stop, opened),
      tokens: sampled,
      logprobs,
      finishReason,
    }));
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    const { chat } = this.tokenizer;
    const content = shown ?? action.text;
    const calls = action.toolCalls?.length ? { toolCalls: action.toolCalls } : {};
    const written =
      shown === undefined && action.tokens ? action.tokens : chat.renderAction({ content, ...calls });
    const turn = chat.renderTurn(observation, written.at(-1), context.tools);
    return {
      ...context,
      messages: [...context.messages, { role: "assistant", content, ...calls }, observation],
      tokens: joinTokens(this.#contextTokens(context), written, turn),
    };
  }

  async choose(context: Context, options: ChoiceOptions): Promise<ChoiceResult> {
    return await chooseNatively(this, context, options);
  }

  // Tokens: scoring, sampling, learning

  /** One array per sequence: log p(tokens[t] | tokens[<t]) for t = actionStart … end, in nats. */
  async logprobs(sequences: readonly Sequence[], options: LogprobsOptions = {}): Promise<Float32Array[]> {
    const { signal, onProgress, ...rest } = parseOptions(logprobsOptionsSchema, options, "logprobs");
    return await this.#engine.logprobs(toSequences(sequences), rest, call(signal, onProgress));
  }

  /**
   * One step of AdamW on the batch's loss. A non-finite loss or gradient leaves the weights as they are and is told by
   * `skipped`. An abort is heeded between micro-batches, never inside the optimizer step.
   */
  async update(batch: readonly TrainSequence[], options: UpdateOptions = {}): Promise<UpdateMetrics> {
    const { signal, onProgress, optimizer, ...loss } = parseOptions(updateOptionsSchema, options, "update");
    this.#requireTrainable("update");
    const sequences = toTrainSequences(batch, loss);
    return await this.#engine.update(sequences, loss, optimizer, call(signal, onProgress));
  }

  /** Forward and backward only; read the result with readParameter(name, "gradient"). */
  async gradients(batch: readonly TrainSequence[], options: LossOptions = {}): Promise<UpdateMetrics> {
    const { signal, onProgress, ...loss } = parseOptions(lossOptionsSchema, options, "gradients");
    this.#requireTrainable("gradients");
    return await this.#engine.gradients(toTrainSequences(batch, loss), loss, call(signal, onProgress));
  }

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
    const stops = stopTokens === undefined ? this.#stopTokens : toTokens(stopTokens, "stopTokens");
    const native = this.#nativeSampling(sampling, stops);
    const read = prompts.map(({ tokens }, i) =>
      toPrompt(
        toTokens(tokens, `prompts[${i}].tokens`),
        maxNewTokens,
        seed === undefined ? undefined : seed + i,
      ),
    );
    return await this.#sample(read, native, call(signal, onProgress));
  }

  // State

  parameters(): ParameterInfo[] {
    return this.#engine.parameters();
  }

  /** Row-major float32 copy of a parameter, of its gradient or of its optimizer state. */
  async readParameter(name: string, kind: TensorKind = "weight"): Promise<Float32Array> {
    const shape = this.#engine.parameters().find((parameter) => parameter.name === name)?.shape;
    if (!shape) throw await this.#engine.readTensor(name, kind, "float32").catch((error: unknown) => error);
    const parts = engineParts(this.#engine, { name, kind, shape, dtype: "float32" });
    const bytes = await joined(4 * elements(shape), parts);
    return new Float32Array(bytes.buffer);
  }

  /** Optimizer steps taken since the weights were new. */
  optimizerStep(): number {
    return this.#engine.optimizerStep();
  }

  /** Bytes a tree of this size would need, and what the engine may use. */
  estimate(treeTokens: number, labels: number): { bytes: number; budget: number } {
    return this.#engine.estimate(treeTokens, labels);
  }

  memory(): { bytes: number; peakBytes: number; budget: number } {
    return this.#engine.memory();
  }

  /** Where the time of every call so far went. Rejects with code "CONFIG" unless loaded with `profile: true`. */
  async profile(): Promise<PolicyProfile> {
    return await this.#engine.profile();
  }

  /** A Hugging Face folder in the layout the model was loaded from; whole or absent. */
  async save(dir: string, options: SaveOptions = {}): Promise<void> {
    const { dtype } = parseOptions(saveOptionsSchema, options, "save");
    await saveCheckpoint(this.#checkpoint, dir, this.#engine, dtype === undefined ? {} : { dtype });
  }

  /** With the folder that `save` wrote, all that an exact resume needs. */
  async saveOptimizer(file: string): Promise<void> {
    this.#requireTrainable("saveOptimizer");
    await saveOptimizerState(this.#engine, file);
  }

  /** Restores weights (float32), moments and step as saveOptimizer found them. */
  async loadOptimizer(file: string): Promise<void> {
    this.#requireTrainable("loadOptimizer");
    await loadOptimizerState(this.#engine, file);
  }

  /** Idempotent. Calls in flight reject with code "DISPOSED". */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#queue.close(
      new SwirlError("DISPOSED", `the policy ${this.#name} was disposed`, { remedy: "load it again" }),
    );
    this.#engine.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #contextTokens(context: Context): Int32Array {
    if (context.tokens) return context.tokens;
    throw new SwirlError("INPUT", "the context carries no tokens: it was begun by another policy", {
      remedy: "begin it with this policy",
      details: { field: "context.tokens" },
    });
  }

  /** Without the token that ended the turn, and without what the last token wrote past a stop string. */
  #actionText(sampled: Int32Array, stops: readonly string[], opened: boolean): string {
    const last = sampled.at(-1);
    const ended = last !== undefined && this.#stopTokens.includes(last);
    const text = this.tokenizer.decode(ended ? sampled.subarray(0, -1) : sampled);
    const said = maskThoughts(text, opened).text;
    const ends = stops
      .map((stop) => said.indexOf(stop) + stop.length)
      .filter((end, i) => end >= stops[i]!.length);
    return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
  }

  #nativeSampling(
    sampling: {
      n: number;
      temperature: number;
      topK: number;
      topP: number;
      stop: readonly string[];
    },
    stopTokens: Int32Array,
  ): NativeGenerateOptions {
    const { stop, n, temperature, topK, topP } = sampling;
    if (stop.length > 0 && !this.#knowsTokenBytes) {
      const { bytes, offsets } = this.tokenizer.tokenBytes(this.vocabSize);
      this.#engine.setTokenBytes(bytes, offsets);
      this.#knowsTokenBytes = true;
    }
    return { n, temperature, topK, topP, stopTokens, stopStrings: [...stop] };
  }

  async #sample(prompts: NativePrompt[], options: NativeGenerateOptions, native: ReturnType<typeof call>) {
    const { completions, stats } = await this.#engine.generate(prompts, options, native);
    this.stats.prefillTokens += stats.prefillTokens;
    this.stats.cachedTokens += stats.cachedTokens;
    this.stats.decodedTokens += stats.decodedTokens;
    return completions;
  }

  #requireTrainable(what: string): void {
    if (this.trainable) return;
    throw new SwirlError("CONFIG", `${what}: the policy ${this.#name} was loaded with trainable: false`, {
      remedy: "load it with trainable: true",
      details: { field: "trainable" },
    });
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

function toPrompt(tokens: Int32Array, maxNewTokens: number, seed: number | undefined): NativePrompt {
  return {
    tokens,
    maxNewTokens,
    seed: seed === undefined ? randomBytes(8).readBigUInt64LE() : BigInt.asUintN(64, BigInt(seed)),
  };
}

export const nativePolicySchema = z.custom<NativePolicy>(
  (value) => {
    const policy = value as Partial<NativePolicy> | null | undefined;
    return typeof policy?.update === "function" && typeof policy.logprobs === "function";
  },
  { message: "must be a native policy (Policy.load(dir)): an endpoint cannot be trained" },
);
