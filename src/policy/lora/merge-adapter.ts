/**
 * Merges an adapter into its base: W + scale · B·A for every matrix that has one, as a Hugging Face folder. Sums are in
 * float64, rounded once into the type that the tensor is stored in; where that is bfloat16, most of a small adapter can
 * be lost, which is why `NativePolicy.merge` scores a probe before and after.
 */
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../../async/map-concurrent.js";
import { SwirlError } from "../../errors/swirl-error.js";
import type { NativeEngine } from "../../native/addon.js";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16 } from "../checkpoint/element-types.js";
import { saveCheckpoint, type WeightReader } from "../checkpoint/save-checkpoint.js";
import { readElements } from "../checkpoint/weight-files.js";
import type { MergeReport } from "../native-options.js";
import type { AdapterModule } from "./adapter-modules.js";

/** Maximum time of work between two turns of the event loop. */
const MILLISECONDS = 20;

/** `adapter`: the engine that A and B are read from. The base is read from its files, to the bit. */
export async function mergeAdapter(
  base: Checkpoint,
  modules: readonly AdapterModule[],
  adapter: Pick<NativeEngine, "readTensor">,
  target: string,
  options: { dtype?: "float32" | "bfloat16"; signal?: AbortSignal | undefined },
): Promise<void> {
  if (resolve(target) === resolve(base.folder))
    throw new SwirlError("INPUT", `merge: ${target} is the folder of the base itself`, {
      remedy: "choose another folder",
      details: { field: "dir" },
    });
  const byName = new Map(modules.map((module) => [`${module.name}.weight`, module]));
  let held: { name: string; product: Product } | undefined;
  const readTensor: WeightReader["readTensor"] = async (name, _kind, dtype, first = 0, count) => {
    throwIfAborted(options.signal);
    const values = await baseValues(base, name, first, count);
    const module = byName.get(name);
    if (module) {
      // Parts of a tensor are requested in order.
      if (held?.name !== name) held = { name, product: await Product.read(module, adapter) };
      await held.product.addTo(values, first);
    }
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return dtype === "bfloat16" ? float32ToBfloat16(bytes) : bytes;
  };
  const { dtype } = options;
  await saveCheckpoint(base, target, { readTensor }, dtype === undefined ? {} : { dtype });
}

async function baseValues(
  base: Checkpoint,
  name: string,
  first: number,
  count = Infinity,
): Promise<Float32Array> {
  const { file, entry, shape } = base.parameters.get(name)!;
  const size = shape.reduce((product, side) => product * side, 1);
  const stored = await readElements(file, entry, first, Math.min(count, size - first));
  const bytes =
    entry.dtype === "BF16"
      ? bfloat16ToFloat32(stored)
      : entry.dtype === "F16"
        ? float16ToFloat32(stored)
        : stored;
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

class Product {
  readonly #module: AdapterModule;
  readonly #a: Float32Array; // [rank, in]
  readonly #b: Float32Array; // [out, rank]

  private constructor(module: AdapterModule, a: Float32Array, b: Float32Array) {
    this.#module = module;
    this.#a = a;
    this.#b = b;
  }

  static async read(module: AdapterModule, adapter: Pick<NativeEngine, "readTensor">): Promise<Product> {
    const matrix = async (name: string) => {
      const bytes = await adapter.readTensor(`${module.name}.${name}.weight`, "weight", "float32");
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    };
    return new Product(module, await matrix("lora_A"), await matrix("lora_B"));
  }

  /** Adds elements `first` … of scale · B·A to `values`. */
  async addTo(values: Float32Array, first: number): Promise<void> {
    const { in: columns, rank, scale } = this.#module;
    const sums = new Float64Array(columns);
    let turn = performance.now();
    for (let at = 0; at < values.length; ) {
      const row = Math.floor((first + at) / columns);
      const from = (first + at) % columns;
      const to = Math.min(columns, from + values.length - at);
      sums.fill(0);
      for (let k = 0; k < rank; k++) {
        const factor = scale * this.#b[row * rank + k]!;
        if (factor === 0) continue;
        for (let i = from; i < to; i++) sums[i]! += factor * this.#a[k * columns + i]!;
      }
      for (let i = from; i < to; i++) values[at + i - from] = values[at + i - from]! + sums[i]!;
      at += to - from;
      if (performance.now() - turn < MILLISECONDS) continue;
      await setImmediate();
      turn = performance.now();
    }
  }
}

/** What a merge changed: log-probs of the same sequences under adapter and merged weights. */
export function compareLogprobs(
  before: readonly Float32Array[],
  after: readonly Float32Array[],
): MergeReport {
  const pairs = before.flatMap((sequence, i) => Array.from(sequence, (x, t) => [x, after[i]![t]!] as const));
  const mean = (of: (pair: readonly [number, number]) => number) =>
    pairs.reduce((sum, pair) => sum + of(pair), 0) / Math.max(1, pairs.length);
  return {
    tokens: pairs.length,
    before: mean(([x]) => x),
    after: mean(([, y]) => y),
    meanDifference: mean(([x, y]) => Math.abs(x - y)),
    maxDifference: pairs.reduce((most, [x, y]) => Math.max(most, Math.abs(x - y)), 0),
  };
}
