/**
 * The header of a safetensors file: parsed with limits, and written.
 * Format: u64 little-endian header length, a JSON header, then the tensors' bytes, contiguous and without holes
 * (https://huggingface.co/docs/safetensors). Nothing in a file is trusted: lengths, nesting, names, offsets and the
 * agreement of shape, element type and bytes are all checked before a byte of data is read.
 */
import { checkpointError, shown } from "./checkpoint-error.js";

export const HEADER_LIMIT = 100 << 20; // bytes, the limit of the reference implementation
const DEPTH_LIMIT = 4; // header → tensor → shape; one to spare
const RANK_LIMIT = 32;

/** Bytes of one element. */
const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

export type ElementType = keyof typeof elementBytes;

export interface TensorEntry {
  name: string;
  dtype: ElementType;
  shape: number[];
  /** Where its bytes lie, from the start of the file. */
  offset: number;
  bytes: number;
}

export interface SafetensorsHeader {
  tensors: TensorEntry[]; // in file order
  metadata: Record<string, string>;
}

/** The header's length from a file's first 8 bytes, checked against the file. */
export function headerLength(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (fileBytes < 8 || prefix.length < 8) {
    throw damaged(file, `has ${fileBytes} bytes, fewer than the 8 of a safetensors prefix`);
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(HEADER_LIMIT)) {
    throw damaged(file, `claims a header of ${length} bytes, more than the limit of ${HEADER_LIMIT}`);
  }
  if (length < 2n || length > BigInt(fileBytes - 8)) {
    throw damaged(file, `claims a header of ${length} bytes, but ${fileBytes - 8} follow`);
  }
  return Number(length);
}

/** `header`: the JSON bytes. `fileBytes`: the whole file, which its tensors must fill exactly. */
export function parseHeader(header: Uint8Array, fileBytes: number, file: string): SafetensorsHeader {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw damaged(file, "has a header that is not UTF-8", {}, cause);
  }
  if (!text.startsWith("{"))
    throw damaged(file, `has a header that starts with ${shown(text.slice(0, 8))}, not {`);
  refuseDeepOrDuplicate(text, file);
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, `has a header that is not JSON (${(cause as Error).message})`, {}, cause);
  }
  const dataStart = 8 + header.length;
  const dataBytes = fileBytes - dataStart;
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") metadata = parseMetadata(value, file);
    else tensors.push(parseEntry(name, value, dataStart, dataBytes, file));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  refuseHoles(tensors, dataStart, fileBytes, file);
  return { tensors, metadata };
}

/** The bytes before the data, padded with spaces so that the data starts at a multiple of 8. */
export function encodeHeader(
  tensors: readonly { name: string; dtype: ElementType; shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const json: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) json.__metadata__ = metadata;
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + tensorBytes(dtype, shape);
    json[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(json));
  const padded = Math.ceil(text.length / 8) * 8;
  const out = new Uint8Array(8 + padded).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(text, 8);
  return out;
}

export function tensorBytes(dtype: ElementType, shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1) * elementBytes[dtype];
}

function parseEntry(
  name: string,
  value: unknown,
  dataStart: number,
  dataBytes: number,
  file: string,
): TensorEntry {
  const wrong = (problem: string) => damaged(file, `tensor ${shown(name)} ${problem}`, { tensor: name });
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(`is ${shown(value)}, not an object`);
  }
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) throw wrong(`has an unknown field ${shown(extra)}`);
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype)) {
    throw checkpointError(
      file,
      `tensor ${shown(name)} has element type ${shown(dtype)}, which is not supported`,
      "use a checkpoint with F32, BF16 or F16 tensors",
      { tensor: name, field: "dtype", value: dtype },
    );
  }
  const type = dtype as ElementType;
  if (!Array.isArray(shape) || shape.length > RANK_LIMIT || !shape.every(isSize)) {
    throw wrong(`has shape ${shown(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw wrong(`has data_offsets ${shown(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    throw wrong(`lies at bytes ${begin} to ${end}, but the file holds ${dataBytes} bytes of data`);
  }
  const bytes = tensorBytes(type, shape);
  if (bytes !== end - begin) {
    throw wrong(`is ${type} of shape ${shown(shape)}, ${bytes} bytes, but its offsets span ${end - begin}`);
  }
  return { name, dtype: type, shape, offset: dataStart + begin, bytes };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw damaged(file, `has __metadata__ ${shown(value)}, not an object`);
  }
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== "string") throw damaged(file, `has __metadata__.${key} ${shown(item)}, not a string`);
  }
  return value as Record<string, string>;
}

function refuseHoles(tensors: TensorEntry[], dataStart: number, fileBytes: number, file: string): void {
  let end = dataStart;
  let previous = "the header";
  for (const { name, offset, bytes } of tensors) {
    if (offset !== end) {
      throw damaged(
        file,
        offset < end
          ? `tensors ${shown(previous)} and ${shown(name)} overlap at byte ${offset}`
          : `has a hole of ${offset - end} bytes between ${shown(previous)} and ${shown(name)}`,
        { tensor: name },
      );
    }
    end = offset + bytes;
    previous = name;
  }
  if (end !== fileBytes) {
    throw damaged(
      file,
      `has ${fileBytes - end} bytes after its last tensor: oversized, or truncated elsewhere`,
    );
  }
}

/** JSON.parse keeps the last of two equal names and recurses without limit; this scan forbids both first. */
function refuseDeepOrDuplicate(text: string, file: string): void {
  const seen: Set<string>[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x7b || char === 0x5b) {
      if (++depth > DEPTH_LIMIT) throw damaged(file, `has a header nested deeper than ${DEPTH_LIMIT} levels`);
      seen[depth] = new Set();
    } else if (char === 0x7d || char === 0x5d) {
      depth--;
    } else if (char === 0x22) {
      const start = at;
      for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++) {
        if (text.charCodeAt(at) === 0x5c) at++;
      }
      let next = at + 1;
      while (/\s/.test(text[next] ?? "")) next++;
      if (text[next] === ":") noteKey(text.slice(start, at + 1), seen[depth], file);
    }
  }
}

function noteKey(quoted: string, seen: Set<string> | undefined, file: string): void {
  let key: string;
  try {
    key = JSON.parse(quoted);
  } catch (cause) {
    throw damaged(file, `has a header with the name ${shown(quoted)}, which is not JSON`, {}, cause);
  }
  if (seen?.has(key)) throw damaged(file, `names ${shown(key)} twice in its header`, { tensor: key });
  seen?.add(key);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function damaged(file: string, problem: string, details: Record<string, unknown> = {}, cause?: unknown) {
  return checkpointError(
    file,
    problem,
    "the file is damaged or is not safetensors: download or save it again",
    details,
    cause,
  );
}
