/**
 * The addon's engine with its errors made SwirlErrors, and with `await using`.
 *
 * Every method is the native one; see addon.ts for arguments and results. Methods that return promises reject,
 * and never throw.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type {
  Call,
  Dtype,
  EngineOptions,
  NativeAdapterOptions,
  NativeAddon,
  NativeCompletion,
  NativeEngine,
  NativeGenerateOptions,
  NativeGenerateStats,
  NativeGradientMetrics,
  NativeLossOptions,
  NativeOptimizerOptions,
  NativeProfile,
  NativePrompt,
  NativeSequence,
  NativeStepMetrics,
  NativeTrainSequence,
  NativeUpdateMetrics,
  ParameterInfo,
  StoredKind,
  TensorKind,
} from "./addon.js";
import { fromNative } from "./from-native.js";
import { buildCommand, loadAddon } from "./load-addon.js";
import { selectDevice } from "./select-device.js";

function guard<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fromNative(error);
  }
}

async function guardAsync<T>(call: Call | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = fromNative(error);
    if (known.code !== "ABORTED" || call?.signal?.reason === undefined) throw known;
    throw new SwirlError("ABORTED", known.message, { details: known.details, cause: call.signal.reason });
  }
}

export class Engine implements NativeEngine, AsyncDisposable {
  /** The device it runs on, "auto" resolved. */
  readonly device: string;
  /** Why "auto" chose the CPU. */
  readonly note: string | undefined;
  /**
   * Whether a token's log-prob has the same bits whatever else is computed with it, in sampling and in training. Our
   * own kernels guarantee it; oneDNN's products do not.
   */
  readonly exact: boolean;
  readonly optimizerState: "float32" | "compact";
  readonly #native: NativeEngine;

  /** Blocks until the engine's memory is there; `open` does not. `native` is an engine that is open already. */
  constructor(options: EngineOptions, addon: NativeAddon = loadAddon(), native?: NativeEngine) {
    const { device, note } = selectDevice(options.device, addon);
    this.device = device.name;
    this.note = note;
    this.exact = !device.matrixLibrary.startsWith("oneDNN");
    this.optimizerState = options.optimizerState ?? "float32";
    this.#native = native ?? guard(() => addon.createEngine({ ...options, device: device.name }));
  }

  static async open(options: EngineOptions, addon: NativeAddon = loadAddon()): Promise<Engine> {
    const { device } = selectDevice(options.device, addon);
    const native = await guardAsync(undefined, async () =>
      addon.openEngine({ ...options, device: device.name }),
    );
    return new Engine(options, addon, native);
  }

  parameters(adapter?: string): ParameterInfo[] {
    return guard(() => this.#native.parameters(adapter));
  }

  addAdapter(name: string, options: NativeAdapterOptions): Promise<void> {
    return guardAsync(undefined, () => {
      // An addon of an earlier version lacks it, and an installation may be incomplete.
      if (typeof this.#native.addAdapter !== "function")
        throw new SwirlError("DEVICE", "the engine that is built here has no adapters (LoRA)", {
          remedy: `build it again: ${buildCommand()}`,
        });
      return this.#native.addAdapter(name, options);
    });
  }

  removeAdapter(name: string): Promise<void> {
    return guardAsync(undefined, () => this.#native.removeAdapter(name));
  }

  writeTensor(
    name: string,
    kind: TensorKind | StoredKind,
    dtype: Dtype,
    data: Uint8Array,
    first?: number,
    adapter?: string,
  ): Promise<void> {
    return guardAsync(undefined, () => this.#native.writeTensor(name, kind, dtype, data, first, adapter));
  }

  readTensor(
    name: string,
    kind: TensorKind | StoredKind,
    dtype: Dtype,
    first?: number,
    count?: number,
    adapter?: string,
  ): Promise<Uint8Array> {
    return guardAsync(undefined, () => this.#native.readTensor(name, kind, dtype, first, count, adapter));
  }

  optimizerStep(adapter?: string): number {
    return guard(() => this.#native.optimizerStep(adapter));
  }

  setOptimizerStep(step: number, adapter?: string): void {
    guard(() => this.#native.setOptimizerStep(step, adapter));
  }

  setTokenBytes(bytes: Uint8Array, offsets: Int32Array): void {
    guard(() => this.#native.setTokenBytes(bytes, offsets));
  }

  logprobs(
    sequences: NativeSequence[],
    options: { temperature: number; tree: boolean; maxTokensPerMicroBatch?: number },
    call?: Call,
  ): Promise<Float32Array[]> {
    return guardAsync(call, () => this.#native.logprobs(sequences, options, call));
  }

  forwardBackward(
    batch: NativeTrainSequence[],
    loss: NativeLossOptions,
    call?: Call,
  ): Promise<NativeGradientMetrics> {
    return guardAsync(call, () => this.#native.forwardBackward(batch, loss, call));
  }

  optimStep(optimizer: NativeOptimizerOptions, call?: Call): Promise<NativeStepMetrics> {
    return guardAsync(call, () => this.#native.optimStep(optimizer, call));
  }

  zeroGradients(adapter?: string): Promise<void> {
    return guardAsync(undefined, () => this.#native.zeroGradients(adapter));
  }

  update(
    batch: NativeTrainSequence[],
    loss: NativeLossOptions,
    optimizer: NativeOptimizerOptions,
    call?: Call,
  ): Promise<NativeUpdateMetrics> {
    return guardAsync(call, () => this.#native.update(batch, loss, optimizer, call));
  }

  generate(
    prompts: NativePrompt[],
    options: NativeGenerateOptions,
    call?: Call,
  ): Promise<{ completions: NativeCompletion[][]; stats: NativeGenerateStats }> {
    return guardAsync(call, () => this.#native.generate(prompts, options, call));
  }

  estimate(treeTokens: number, labels: number, adapter?: string): { bytes: number; budget: number } {
    return guard(() => this.#native.estimate(treeTokens, labels, adapter));
  }

  memory(): { bytes: number; peakBytes: number; budget: number } {
    return guard(() => this.#native.memory());
  }

  profile(): Promise<NativeProfile> {
    return guardAsync(undefined, () => this.#native.profile());
  }

  /** Idempotent. Calls in flight reject with DISPOSED at once; the memory is freed when the running one has stopped. */
  dispose(): void {
    guard(() => this.#native.dispose());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }
}
