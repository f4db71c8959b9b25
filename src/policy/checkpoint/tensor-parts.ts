/**
 * Tensors in parts of a few megabytes. Hashing and copying happen on the JavaScript thread; the event loop
 * runs between two parts, so that a server in the same process keeps answering while a model is loaded or saved.
 */
import type { Dtype, NativeEngine, StoredKind, TensorKind } from "../../native/addon.js";

/** Elements of a part. */
export const PART_ELEMENTS = 1 << 20;

/** Bytes of a part of a file: enough for elements of the widest type that weights have. */
export const PART_BYTES = 4 * PART_ELEMENTS;

/** Bytes of one element as the engine reads and writes it. */
function elementBytes(kind: TensorKind | StoredKind, dtype: Dtype): number {
  if (kind.endsWith("_codes") || kind.endsWith("_scales")) return 1;
  return dtype === "bfloat16" ? 2 : 4;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** A tensor of the engine, as bytes of `dtype`, in order. */
export async function* engineParts(
  engine: Pick<NativeEngine, "readTensor">,
  tensor: { name: string; kind: TensorKind | StoredKind; shape: readonly number[]; dtype: Dtype },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { name, kind, dtype } = tensor;
  const count = elements(tensor.shape);
  for (let first = 0; first < count; first += PART_ELEMENTS)
    yield await engine.readTensor(name, kind, dtype, first, Math.min(PART_ELEMENTS, count - first));
}

/** Writes parts, in order, into a tensor of the engine. */
export async function writeEngineParts(
  engine: Pick<NativeEngine, "writeTensor">,
  tensor: { name: string; kind: TensorKind | StoredKind; dtype: Dtype },
  parts: AsyncIterable<Uint8Array>,
): Promise<void> {
  const bytes = elementBytes(tensor.kind, tensor.dtype);
  let first = 0;
  for await (const part of parts) {
    await engine.writeTensor(tensor.name, tensor.kind, tensor.dtype, part, first);
    first += part.length / bytes;
  }
}

/** Joins the parts into one array of `bytes` bytes. */
export async function joined(bytes: number, parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
