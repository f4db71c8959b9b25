/**
 * A policy whose weights are trained on other machines, by a server that speaks the Tinker API.
 *
 * Every loss of this package runs there: the server's forward pass gives log-probs, the derivative of the loss by each of
 * them is computed here, and goes back as the advantages of importance_sampling at ratio 1, scaled for how the server
 * reduces (tinker/reduction.ts). Text becomes tokens here; what was sampled is what is scored and trained.
 *
 * Calls that change the weights run alone, in the order they came; samples are always of the newest weights. An update is
 * whole, or the policy says that its weights are unknown and refuses everything from then on: training resumes from the last
 * saved weights, with a new policy. Rejects with SwirlErrors only.
 */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import pLimit, { type LimitFunction } from "p-limit";
import { throwIfAborted } from "../async/map-concurrent.js";
import { checkedMethods } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { makeFolder } from "../files/make-folder.js";
import type { Message, ToolSpec } from "../messages/message.js";
import type { NativeCompletion, NativeGenerateOptions, NativePrompt } from "../native/addon.js";
import { parseOptions } from "../options/parse-options.js";
import type { Reduction } from "../tinker/reduction.js";
import { sample, score } from "../tinker/sampler-client.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { cutCompletion } from "./cut-completion.js";
import {
  type LogprobsOptions,
  logprobsOptionsSchema,
  lossOptionsSchema,
  optimizerSchema,
  updateOptionsSchema,
} from "./native-options.js";
import type { Action, Context, SamplingOptions } from "./policy.js";
import { resolveLoss } from "./resolve-loss.js";
import { samplingSchema } from "./sampling.js";
import { type Sequence, type TrainSequence, toSequences, toTrainSequences } from "./sequences.js";
import { TextPolicy } from "./text-policy.js";
import { forgetTrainer, type OpenedTrainer, openTrainer } from "./tinker-open.js";
import type { TinkerOptions } from "./tinker-options.js";
import { readTinkerState, type TinkerState, writeTinkerState } from "./tinker-state.js";
import {
  type Differences,
  requireFits,
  requireOptimizer,
  requirePlainLoss,
  TinkerUpdates,
} from "./tinker-updates.js";
import type {
  SequenceScorer,
  TrainerMetrics,
  TrainerPolicy,
  TrainingRequirements,
} from "./trainer-policy.js";
import type { LossOptions, OptimizerOptions, UpdateOptions } from "./training-options.js";
import { WeightsLock } from "./weights-lock.js";

/** Of a {@link TinkerPolicy} since it was connected. */
export interface TinkerStats {
  /** HTTP requests sent, those for results included. */
  requests: number;
  /** Requests sent again after a failure. */
  retries: number;
  /** Log-probs of the sampler minus those of the trainer for the same weights, of the last update that could compare them; in nats. */
  mismatch: Differences;
  /** The same of the trainer's pass without a gradient and the one with it, of the last update. */
  ratio: Differences;
}

const MOST_SEED_BITS = 31;

/**
 * A policy that is trained by a server of the Tinker API. `Policy.connect({ trainer: "tinker", … })` returns it.
 *
 * @example
 * await using policy = await Policy.connect({
 *   trainer: "tinker", baseURL: "http://127.0.0.1:8000", baseModel: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   lora: { rank: 8 }, tokenizer: "models/smollm2",
 * });
 * await sft({ policy, trajectories, lr: 1e-4, maxGradNorm: 0 });
 */
export class TinkerPolicy implements TrainerPolicy, AsyncDisposable {
  readonly exact = true;
  readonly trainable = true;
  readonly adapterName = "default";
  readonly stateFile = "trainer-state.json";
  readonly contextLength: number;

  readonly #trainer: OpenedTrainer;
  readonly #text: TextPolicy;
  readonly #updates: TinkerUpdates;
  readonly #lock = new WeightsLock();
  readonly #limit: LimitFunction;
  readonly #closed = new AbortController();
  #step = 0;
  /** The weights that samples come from, saved when they are first needed. */
  #sampler: { version: number; path: Promise<string> } | undefined;
  #base: SequenceScorer | undefined;

  private constructor(trainer: OpenedTrainer) {
    this.#trainer = trainer;
    this.contextLength = trainer.contextLength;
    this.#updates = new TinkerUpdates(trainer);
    this.#limit = pLimit(trainer.concurrency);
    this.#text = new TextPolicy({
      folder: trainer.tokenizer.file,
      tokenizer: trainer.tokenizer,
      eosTokens: [],
      contextLength: () => this.contextLength,
      sample: (prompt, options, { signal }) => this.#sample(prompt, options, signal),
    });
  }

  /**
   * Opens a session, measures the server on a model that is thrown away, and creates the adapter. Rejects with CONFIG when
   * the tokenizer is another model's or the server's reduction cannot be found, ENDPOINT, CHECKPOINT, ABORTED.
   */
  static async connect(options: TinkerOptions): Promise<TinkerPolicy> {
    return new TinkerPolicy(await openTrainer(options));
  }

  /** Base model and adapter, and the optimizer steps taken since the adapter was new. */
  get id(): string {
    return this.#step === 0 ? this.#trainer.name : `${this.#trainer.name}+${this.#step}`;
  }

  /** How the server reduces losses, as the probe found it. */
  get reduction(): Reduction {
    return this.#trainer.facts.reduction;
  }

  /** Whether the server clips gradients; where it does not, maxGradNorm must be 0. */
  get clipsGradients(): boolean {
    return this.#trainer.facts.clipsGradients;
  }

  /** Request counts since the policy was connected, and the differences of log-probs in the last update. */
  get stats(): TinkerStats {
    const { mismatch, ratio } = this.#updates;
    return { ...this.#trainer.client.session.http.stats, mismatch: { ...mismatch }, ratio: { ...ratio } };
  }

  get tokenizer(): Tokenizer {
    return this.#trainer.tokenizer;
  }

  get isBase(): boolean {
    return this.#trainer.isNew && this.#updates.version === 0;
  }

  /** The base model without the adapter, scored by the server's sampler: the reference of a KL penalty. */
  get base(): SequenceScorer {
    const { client, baseModel } = this.#trainer;
    this.#base ??= {
      id: `${client.session.http.host}#${baseModel}`,
      logprobs: (sequences, options = {}) => this.#baseLogprobs(sequences, options),
      dispose: async () => {},
    };
    return this.#base;
  }

  // Text: contexts and actions

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    return this.#text.begin(messages, tools);
  }

  /**
   * Samples from the newest weights. Log-probs are those that the server reports: at temperature 1 and without topK and topP
   * of the distribution that was sampled from; elsewhere servers differ (SkyRL reports them at temperature 1).
   */
  async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
    const { signal, ...sampling } = parseOptions(samplingSchema, options, "act");
    this.#requireOpen();
    return await this.#lock.use(async () => {
      const actions = await this.#text.act(context, sampling, signal);
      if (sampling.temperature === 1 && sampling.topK === 0 && sampling.topP === 1)
        for (const { logprobs } of actions) if (logprobs) this.#updates.remember(logprobs);
      return actions;
    });
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    return this.#text.extend(context, action, observation, shown);
  }

  // Tokens: scoring and learning

  /** One array per sequence: log p(tokens[t] | tokens[<t]) for t = actionStart … end, by the trainer, in nats. */
  async logprobs(sequences: readonly Sequence[], options: LogprobsOptions = {}): Promise<Float32Array[]> {
    const { signal, temperature } = parseOptions(logprobsOptionsSchema, options, "logprobs");
    requirePlainLoss("logprobs", { temperature, entropyWeight: 0 });
    const checked = toSequences(sequences);
    requireFits(checked, this.contextLength, "sequences");
    this.#requireOpen();
    return await this.#lock.use(() => this.#updates.forward(checked, this.#joined(signal)));
  }

  /**
   * Computes the gradient's part of a step: it is sent with `optimStep`, so nothing has reached the server's gradients before.
   * Metrics as far as log-probs give them; entropy is not among them.
   */
  async forwardBackward(batch: readonly TrainSequence[], options: LossOptions = {}): Promise<TrainerMetrics> {
    const { signal, onProgress: _, ...input } = parseOptions(lossOptionsSchema, options, "forwardBackward");
    requirePlainLoss("forwardBackward", input);
    const loss = resolveLoss(input);
    const sequences = toTrainSequences(batch, loss.native);
    requireFits(sequences, this.contextLength, "batch");
    this.#requireOpen();
    return await this.#lock.change(() => this.#updates.differentiate(sequences, loss, this.#joined(signal)));
  }

  /** One step of AdamW on the gradients since the last. Throws INPUT without any. */
  async optimStep(options: OptimizerOptions = {}): Promise<TrainerMetrics> {
    const optimizer = parseOptions(optimizerSchema, options, "optimStep");
    requireOptimizer("optimStep", optimizer, this.#trainer);
    this.#requireOpen();
    return await this.#lock.change(async () => this.#counted(await this.#updates.step(optimizer)));
  }

  /** Drops the gradients that no step has spent. */
  async zeroGradients(): Promise<void> {
    this.#requireOpen();
    await this.#lock.change(async () => this.#updates.clear());
  }

  /**
   * `zeroGradients`, `forwardBackward` and `optimStep` in one. An abort counts until the gradient is sent; from then on the
   * update is carried through, so that the weights are those of before or of after.
   */
  async update(batch: readonly TrainSequence[], options: UpdateOptions = {}): Promise<TrainerMetrics> {
    const { signal, onProgress, optimizer, ...input } = parseOptions(updateOptionsSchema, options, "update");
    requirePlainLoss("update", input);
    requireOptimizer("update", optimizer, this.#trainer);
    const loss = resolveLoss(input);
    const sequences = toTrainSequences(batch, loss.native);
    requireFits(sequences, this.contextLength, "batch");
    this.#requireOpen();
    return await this.#lock.change(async () => {
      throwIfAborted(signal);
      onProgress?.(0, 2);
      const metrics = await this.#updates.update(sequences, loss, optimizer, this.#joined(signal), () =>
        onProgress?.(1, 2),
      );
      onProgress?.(2, 2);
      return this.#counted(metrics);
    });
  }

  checkTraining({ maxGradNorm, beta2, ...loss }: TrainingRequirements): void {
    requirePlainLoss("train", loss);
    requireOptimizer("train", optimizerSchema.parse({ maxGradNorm, beta2 }), this.#trainer);
  }

  // State

  /** Saves the weights on the server as a sampler's, and writes where they are: `dir`/trainer-policy.json. */
  async save(dir: string, _options: { dtype?: "float32" | "bfloat16" } = {}): Promise<void> {
    this.#requireOpen();
    await this.#lock.use(async () => {
      const path = await this.#samplerPath();
      await makeFolder(dir);
      await writeTinkerState(join(dir, "trainer-policy.json"), this.#state("sampler", path));
    });
  }

  /** Saves weights and optimizer state on the server, and writes into `file` where they are. */
  async saveOptimizer(file: string): Promise<void> {
    this.#requireOpen();
    await this.#lock.use(async () => {
      const path = await this.#trainer.client.saveState(`swirl-step-${this.#step}`);
      await writeTinkerState(file, this.#state("training", path));
    });
  }

  /** Puts the model on the server where `saveOptimizer` found it. Rejects with CHECKPOINT, RECORD, ENDPOINT. */
  async loadOptimizer(file: string): Promise<void> {
    this.#requireOpen();
    const { baseModel, rank, client } = this.#trainer;
    const state = await readTinkerState(file, { baseModel, rank });
    await this.#lock.change(async () => {
      await client.load(state.path, true);
      this.#updates.weightsChanged();
      this.#step = state.step;
    });
  }

  /** Waits for the change in progress, then frees the model on the server. Later calls reject with code DISPOSED. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    const { client } = this.#trainer;
    await this.#lock.change(async () => {
      await client.unload();
      client.session.close();
    });
  }

  /** Same as {@link dispose}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #counted(metrics: TrainerMetrics): TrainerMetrics {
    if (!metrics.skipped) this.#step++;
    return metrics;
  }

  #state(kind: TinkerState["kind"], path: string): TinkerState {
    const { baseModel, rank, client } = this.#trainer;
    return { kind, host: client.session.http.host, baseModel, rank, step: this.#step, path };
  }

  async #sample(
    prompt: NativePrompt,
    options: NativeGenerateOptions,
    signal: AbortSignal | undefined,
  ): Promise<NativeCompletion[]> {
    const { client, tokenizer } = this.#trainer;
    const modelPath = await this.#samplerPath();
    const { n, temperature, topK, topP, stopTokens, stopStrings } = options;
    const stop =
      stopStrings.length === 0
        ? [...stopTokens]
        : [...stopStrings, ...[...stopTokens].map((token) => tokenizer.tokenText(token))];
    const request = {
      tokens: prompt.tokens,
      n,
      maxTokens: prompt.maxNewTokens,
      temperature,
      topK,
      topP,
      seed: Number(BigInt.asUintN(MOST_SEED_BITS, prompt.seed)),
      stop: stop as number[] | string[],
    };
    const joined = this.#joined(signal);
    const sampled = await this.#limit(() =>
      sample(client.session.http, { modelPath }, request, joined),
    ).catch((error) => {
      this.#requireOpen();
      throw error;
    });
    const decode = (tokens: Int32Array) => tokenizer.decode(tokens);
    return sampled.map(({ tokens, logprobs, stopReason }) => {
      const cut = cutCompletion({ tokens, logprobs }, { stopTokens, stopStrings, decode });
      if (cut) return cut;
      if (stopReason === "length" && tokens.length > 0) return { tokens, logprobs, finishReason: "length" };
      throw new SwirlError(
        "ENDPOINT",
        `trainer ${client.session.http.host}: a sample of ${tokens.length} tokens ended with "${stopReason}", and no token shows why`,
        {
          remedy:
            "the server leaves out the token that ended the turn; without it the action cannot be trained on: see docs/cluster.md",
          details: { host: client.session.http.host, call: "asample", trainer: true, final: true },
        },
      );
    });
  }

  /** Saves the present weights for the sampler once. An older snapshot is never sampled: SkyRL would load it into the trained model. */
  async #samplerPath(): Promise<string> {
    const { version } = this.#updates;
    if (this.#sampler?.version !== version) {
      const path = this.#trainer.client.saveSampler(`swirl-step-${this.#step}`);
      this.#sampler = { version, path };
      path.catch(() => {
        if (this.#sampler?.path === path) this.#sampler = undefined; // the next call tries again
      });
    }
    return await this.#sampler.path;
  }

  async #baseLogprobs(
    sequences: readonly Sequence[],
    { temperature = 1, signal }: { temperature?: number; signal?: AbortSignal },
  ): Promise<Float32Array[]> {
    requirePlainLoss("logprobs", { temperature, entropyWeight: 0 });
    const checked = toSequences(sequences);
    requireFits(checked, this.contextLength, "sequences");
    this.#requireOpen();
    const { client, baseModel } = this.#trainer;
    const joined = this.#joined(signal);
    return await Promise.all(
      checked.map(({ tokens, actionStart }) =>
        this.#limit(async () => {
          const all = await score(client.session.http, { baseModel }, tokens, joined);
          return all.slice(actionStart - 1);
        }),
      ),
    );
  }

  #joined(signal: AbortSignal | undefined): AbortSignal {
    const joined = AbortSignal.any(signal ? [signal, this.#closed.signal] : [this.#closed.signal]);
    setMaxListeners(0, joined); // every request of a call listens
    return joined;
  }

  #requireOpen(): void {
    if (this.#closed.signal.aborted)
      throw new SwirlError("DISPOSED", `the policy ${this.#trainer.name} was disposed`, {
        remedy: "connect again",
      });
    const { broken, session } = this.#trainer.client;
    const error = broken ?? session.lost;
    if (!error) return;
    forgetTrainer(); // another server may answer at this address by now
    throw error;
  }
}

checkedMethods(TinkerPolicy, {
  begin: "(messages, tools)",
  act: "(context, options)",
  extend: "(context, action, observation, shown)",
  logprobs: "(sequences, options)",
  forwardBackward: "(batch, options)",
  optimStep: "(options)",
  update: "(batch, options)",
  checkTraining: "{ temperature, entropyWeight, maxGradNorm, beta2 }",
  save: "(folder, options)",
  saveOptimizer: "a file",
  loadOptimizer: "a file",
});
