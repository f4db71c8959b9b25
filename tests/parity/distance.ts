/** How far numbers are from the numbers they should be. */
import type { TensorErrors } from "./golden.js";

export type Numbers = ArrayLike<number>;

export function flat(arrays: Numbers[]): number[] {
  return arrays.flatMap((array) => Array.from(array));
}

export function maxDistance(found: Numbers, truth: Numbers): number {
  sameLength(found, truth);
  let max = 0;
  for (let i = 0; i < truth.length; i++) max = Math.max(max, Math.abs(found[i]! - truth[i]!));
  return Number.isNaN(max) ? Infinity : max;
}

export function rmsDistance(found: Numbers, truth: Numbers): number {
  sameLength(found, truth);
  let sum = 0;
  for (let i = 0; i < truth.length; i++) sum += (found[i]! - truth[i]!) ** 2;
  return Math.sqrt(sum / truth.length);
}

/** ‖found − truth‖ / ‖truth‖ of each tensor and of all together. A tensor that is zero must be exactly zero. */
export function relativeErrors(found: Map<string, Numbers>, truth: Map<string, Numbers>): TensorErrors {
  const tensors: Record<string, number> = {};
  let difference = 0;
  let size = 0;
  for (const [name, expected] of truth) {
    const actual = found.get(name);
    if (!actual) throw new Error(`no tensor ${name} among ${[...found.keys()].join(", ")}`);
    sameLength(actual, expected);
    let d = 0;
    let s = 0;
    for (let i = 0; i < expected.length; i++) {
      d += (actual[i]! - expected[i]!) ** 2;
      s += expected[i]! ** 2;
    }
    tensors[name] = d === 0 ? 0 : Math.sqrt(d / s);
    difference += d;
    size += s;
  }
  const extra = [...found.keys()].filter((name) => !truth.has(name));
  if (extra.length > 0) throw new Error(`unexpected tensors ${extra.join(", ")}`);
  return { all: Math.sqrt(difference / size), tensors };
}

/**
 * q, k and v biases of a layer as the one vector that they are in the engine. A key bias moves all scores of a query
 * alike, so its gradient is the small rest of sums that cancel (nothing would be left without rotary positions):
 * relative to its own size, the error would measure float32, not this engine.
 */
export function joinBiases(tensors: Map<string, Numbers>): Map<string, Numbers> {
  const out = new Map<string, Numbers>();
  for (const [name, values] of tensors) {
    const joined = name.replace(/\.[qkv]_proj\.bias$/, ".qkv.bias");
    out.set(joined, joined === name ? values : [...Array.from(out.get(joined) ?? []), ...Array.from(values)]);
  }
  return out;
}

export function worst(errors: TensorErrors): { name: string; error: number } {
  return Object.entries(errors.tensors).reduce(
    (most, [name, error]) => (error > most.error || Number.isNaN(error) ? { name, error } : most),
    { name: "", error: -1 },
  );
}

/** b − a, tensor by tensor. */
export function moved(a: Map<string, Numbers>, b: Map<string, Numbers>): Map<string, Float64Array> {
  return new Map(
    [...b].map(([name, values]) => {
      const before = a.get(name)!;
      return [name, Float64Array.from(values, (value, i) => value - before[i]!)];
    }),
  );
}

function sameLength(found: Numbers, truth: Numbers): void {
  if (found.length !== truth.length)
    throw new Error(`${found.length} numbers where ${truth.length} were expected`);
}
