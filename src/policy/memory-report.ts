/**
 * What training and sampling with a model would take, as numbers and as text; `swirl doctor --model` and errors print
 * it.
 */
import type { Dtype, ModelConfig } from "../native/addon.js";
import { newModules } from "./lora/adapter-modules.js";
import type { LoraSettings } from "./lora/lora-options.js";
import {
  activationBytes,
  cacheBytes,
  compactBytes,
  countParameters,
  stateBytes,
  weightBytes,
} from "./memory-needs.js";

/** The update and the cache that the memory is estimated for. */
export interface MemoryShape {
  /** Rows of the update's token tree. */
  tokens: number;
  /** Scored tokens of the update. */
  labels: number;
  /** Tokens in the KV cache. */
  cached: number;
}

export interface MemoryRow {
  /** "all weights, compact": with compact optimizer state. */
  training: "all weights" | "all weights, compact" | "adapter";
  dtype: Dtype;
  /** Parameters that are trained. */
  trained: number;
  /** Bytes of each part. */
  weights: number;
  state: number;
  /**
   * Bytes of an update's activations if all are kept, and at least: with every layer recomputed in the backward pass.
   */
  activations: number;
  leastActivations: number;
  cache: number;
  /** Bytes of an update with the least activations; the cache shrinks in its favor. */
  leastTotal: number;
  total: number;
}

export function memoryRows(config: ModelConfig, lora: LoraSettings, shape: MemoryShape): MemoryRow[] {
  const modules = newModules(lora, config);
  return WAYS.map(([training, dtype]): MemoryRow => {
    const counts = countParameters(config, training === "adapter" ? modules : []);
    const compact = training === "all weights, compact";
    const weights = weightBytes(counts, dtype, !compact);
    const state = compact ? compactBytes(counts) - weights : stateBytes(counts);
    const { tokens, labels } = shape;
    const activations = activationBytes(config, dtype, tokens, labels, "all");
    const leastActivations = activationBytes(config, dtype, tokens, labels, "layers");
    const cache = cacheBytes(config, dtype, shape.cached);
    return {
      training,
      dtype,
      trained: counts.adapter || counts.matrices + counts.vectors,
      weights,
      state,
      activations,
      leastActivations,
      cache,
      leastTotal: weights + state + leastActivations,
      total: weights + state + activations + cache,
    };
  });
}

/** Compact state exists in bfloat16 only. */
const WAYS = [
  ["all weights", "float32"],
  ["all weights", "bfloat16"],
  ["all weights, compact", "bfloat16"],
  ["adapter", "float32"],
  ["adapter", "bfloat16"],
] as const satisfies readonly [MemoryRow["training"], Dtype][];

export const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toPrecision(3)} GiB`;
