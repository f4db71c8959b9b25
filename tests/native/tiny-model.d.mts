import type {
  EngineOptions,
  ModelConfig,
  NativeAdapterModule,
  NativeEngine,
  NativeGenerateOptions,
  NativeLossOptions,
  NativeOptimizerOptions,
  NativeTrainSequence,
} from "../../src/native/addon.js";

export function tinyConfig(): ModelConfig;
export function tinyOptions(): EngineOptions;
export function uniform(seed: number): () => number;
export function fillWeights(engine: NativeEngine, seed?: number): Promise<void>;
export function addTinyAdapter(
  engine: NativeEngine,
  name: string,
  modules: NativeAdapterModule[],
  options?: { b?: boolean; seed?: number; trainable?: boolean },
): Promise<void>;
export function tinyBatch(count: number, length?: number, seed?: number): NativeTrainSequence[];
export function tinyLoss(overrides?: Partial<NativeLossOptions>): NativeLossOptions;
export function tinyOptimizer(overrides?: Partial<NativeOptimizerOptions>): NativeOptimizerOptions;
export function tinySampling(overrides?: Partial<NativeGenerateOptions>): NativeGenerateOptions;
