/**
 * Memory needs of a model, computed from its config alone with the same sums as the engine's own plans (native/engine:
 * Parameters, Model::plan, Head::plan, KvCache), so that they are known before anything is allocated. A test compares
 * the two.
 */
import type { Dtype, ModelConfig } from "../native/addon.js";
import { parametersOf } from "./checkpoint/parameter-names.js";

/** Parameters of a model, and of an adapter on it. */
export interface ParameterCounts {
  matrices: number;
  vectors: number;
  /** 0 = all weights are trained. */
  adapter: number;
}

export function countParameters(
  config: ModelConfig,
  modules: readonly { in: number; out: number; rank: number }[] = [],
): ParameterCounts {
  let matrices = 0;
  let vectors = 0;
  for (const { shape } of parametersOf(config)) {
    const count = shape.reduce((product, side) => product * side, 1);
    if (shape.length > 1) matrices += count;
    else vectors += count;
  }
  return { matrices, vectors, adapter: modules.reduce((sum, m) => sum + m.rank * (m.in + m.out), 0) };
}

/**
 * Bytes of the weights in use. In bfloat16, copies for matrix products are added to the weights that are trained in
 * float32.
 */
export function weightBytes(
  { matrices, vectors, adapter }: ParameterCounts,
  dtype: Dtype,
  trained: boolean,
): number {
  const half = dtype === "bfloat16";
  const full = trained && adapter === 0;
  const base = (half ? 2 * matrices : 0) + 4 * (half && !full ? vectors : matrices + vectors);
  return base + (half ? 6 : 4) * adapter;
}

/** Bytes of gradients and both moments of what is trained. */
export function stateBytes({ matrices, vectors, adapter }: ParameterCounts): number {
  return 12 * (adapter === 0 ? matrices + vectors : adapter);
}

/** Bytes of a model that is trained with compact optimizer state, gradients included. */
export function compactBytes({ matrices, vectors }: ParameterCounts): number {
  return 8.0625 * (matrices + vectors);
}

/** What the backward keeps: everything, all but the gated products, or the inputs of layers alone. */
export type Kept = "all" | "all-but-mlp" | "layers";

/** Rows of a micro-batch on the CPU. */
const BATCH_ROWS = 1024;

/** Bytes of an update's activations for a tree of so many tokens with so many labels. */
export function activationBytes(
  config: ModelConfig,
  dtype: Dtype,
  tokens: number,
  labels: number,
  kept: Kept,
): number {
  const { layers, width, heads, kvHeads, headDim, intermediate, vocab } = config;
  const d = dtype === "bfloat16" ? 2 : 4;
  const rows = Math.min(tokens, BATCH_ROWS);
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const middle =
    (config.qkNorm ? 4 * (q + kv + heads + kvHeads) : 0) +
    d * q +
    4 * heads +
    (config.postNorms ? 8 * width : 0) +
    4 * width;
  const gateUp = 2 * intermediate * d;
  const perLayer = (own: boolean, stored: number) => (own ? layers : 1) * stored;
  const stack =
    layers * 4 * width * tokens + // inputs
    layers * (q + 2 * kv) * d * tokens +
    layers * 8 * kv * tokens + // gradients of keys and values
    4 * width * tokens;
  const inner =
    perLayer(kept !== "layers", middle) * (kept === "layers" ? rows : tokens) +
    perLayer(kept === "all", gateUp) * (kept === "all" ? tokens : rows);
  const scratch =
    rows * (2 * width * d + 8 * width + 4 + 2 * intermediate * d + (q + 2 * kv) * d + q * d) +
    (kept === "all" ? rows * gateUp : 0);
  return stack + inner + scratch + headBytes(rows, labels, width, vocab, d);
}

function headBytes(rows: number, labels: number, width: number, vocab: number, d: number): number {
  const fit = Math.floor(LOGIT_BYTES / (4 * vocab));
  const chunk = Math.max(1, Math.min(rows, BATCH_ROWS / 2, Math.max(fit, BATCH_ROWS / 8)));
  return chunk * (12 * width + d * width + (4 + (d === 2 ? 2 : 0)) * vocab) + 12 * labels;
}

/** Bytes of logits that are held at once, if they make enough rows. */
const LOGIT_BYTES = 64 << 20;

/** Bytes of keys and values of so many tokens. */
export function cacheBytes({ layers, kvHeads, headDim }: ModelConfig, dtype: Dtype, tokens: number): number {
  return tokens * layers * 2 * kvHeads * headDim * (dtype === "bfloat16" ? 2 : 4);
}
