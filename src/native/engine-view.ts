/**
 * An engine as seen by one set of weights: the base alone, or the base with one adapter. Every call goes to the shared
 * engine, for the tensors of this view. A policy uses either kind of view in the same way.
 */
import type {
  Call,
  Dtype,
  NativeCompletion,
  NativeGenerateOptions,
  NativeGenerateStats,
  NativeGradientMetrics,
  NativeLossOptions,
  NativeOptimizerOptions,
  NativePrompt,
  NativeSequence,
  NativeStepMetrics,
  NativeTrainSequence,
  NativeUpdateMetrics,
  ParameterInfo,
  StoredKind,
  TensorKind,
} from "./addon.js";
import type { Engine } from "./engine.js";

export class EngineView {
  /** Whether a token's log-prob has the same bits in sampling and in training; see Engine. */
  readonly exact: boolean;
  /** Optimizer state of these weights; an adapter's is always float32. */
  readonly optimizerState: "float32" | "compact";
  readonly #engine: Engine;
  readonly #name: string | undefined;
  #closed: Error | undefined;

  /** `adapter`: one that the engine has; absent = the base alone. */
  constructor(engine: Engine, adapter?: string) {
    this.#engine = engine;
    this.#name = adapter;
    this.exact = engine.exact;
    this.optimizerState = adapter === undefined ? engine.optimizerState : "float32";
  }

  /** Every later call throws `error`; the engine stays usable. */
  close(error: Error): void {
    this.#closed = error;
  }

  get #adapter(): string | undefined {
    if (this.#closed) throw this.#closed;
    return this.#name;
  }

  parameters(): ParameterInfo[] {
    return this.#engine.parameters(this.#adapter);
  }

  writeTensor(
    name: string,
    kind: TensorKind | StoredKind,
    dtype: Dtype,
    data: Uint8Array,
    first?: number,
  ): Promise<void> {
    return this.#engine.writeTensor(name, kind, dtype, data, first, this.#adapter);
  }

  readTensor(
    name: string,
    kind: TensorKind | StoredKind,
    dtype: Dtype,
    first?: number,
    count?: number,
  ): Promise<Uint8Array> {
    return this.#engine.readTensor(name, kind, dtype, first, count, this.#adapter);
  }

  optimizerStep(): number {
    return this.#engine.optimizerStep(this.#adapter);
  }

  setOptimizerStep(step: number): void {
    this.#engine.setOptimizerStep(step, this.#adapter);
  }

  setTokenBytes(bytes: Uint8Array, offsets: Int32Array): void {
    this.#engine.setTokenBytes(bytes, offsets);
  }

  logprobs(
    sequences: NativeSequence[],
    options: { temperature: number; tree: boolean; maxTokensPerMicroBatch?: number },
    call?: Call,
  ): Promise<Float32Array[]> {
    return this.#engine.logprobs(sequences, options, this.#with(call));
  }

  forwardBackward(
    batch: NativeTrainSequence[],
    loss: NativeLossOptions,
    call?: Call,
  ): Promise<NativeGradientMetrics> {
    return this.#engine.forwardBackward(batch, loss, this.#with(call));
  }

  optimStep(optimizer: NativeOptimizerOptions, call?: Call): Promise<NativeStepMetrics> {
    return this.#engine.optimStep(optimizer, this.#with(call));
  }

  zeroGradients(): Promise<void> {
    return this.#engine.zeroGradients(this.#adapter);
  }

  update(
    batch: NativeTrainSequence[],
    loss: NativeLossOptions,
    optimizer: NativeOptimizerOptions,
    call?: Call,
  ): Promise<NativeUpdateMetrics> {
    return this.#engine.update(batch, loss, optimizer, this.#with(call));
  }

  generate(
    prompts: NativePrompt[],
    options: NativeGenerateOptions,
    call?: Call,
  ): Promise<{ completions: NativeCompletion[][]; stats: NativeGenerateStats }> {
    return this.#engine.generate(prompts, options, this.#with(call));
  }

  estimate(treeTokens: number, labels: number): { bytes: number; budget: number } {
    return this.#engine.estimate(treeTokens, labels, this.#adapter);
  }

  #with(call: Call | undefined): Call {
    const adapter = this.#adapter;
    return adapter === undefined ? (call ?? {}) : { ...call, adapter };
  }
}
