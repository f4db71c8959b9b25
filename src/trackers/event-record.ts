/**
 * Records of a TensorBoard event file: TFRecord framing around `tensorflow.Event` protocol buffers (event.proto,
 * summary.proto). Only the fields that are written here are encoded. Pure.
 *
 *   record = length (uint64) | masked CRC-32C of length | Event | masked CRC-32C of Event      little-endian
 */
import { maskedCrc32c } from "./crc32c.js";

export type EventContent =
  | { fileVersion: string }
  /** TensorBoard drops everything logged at this step and later: a resumed run logs it again. */
  | { purge: true }
  | { scalars: Record<string, number> }
  /** A string tensor for the text plugin. Rank 2 shows as a table. */
  | { text: { tag: string; rows: readonly (readonly string[])[] } };

/** @param seconds since 1970 */
export function eventRecord(seconds: number, step: number, content: EventContent): Buffer {
  const event = Buffer.concat([
    double(1, seconds),
    ...(step === 0 ? [] : [varintField(2, step)]),
    body(content),
  ]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(event.length));
  return Buffer.concat([length, checksum(length), event, checksum(event)]);
}

function body(content: EventContent): Buffer {
  if ("fileVersion" in content) return bytesField(3, Buffer.from(content.fileVersion));
  if ("purge" in content) return bytesField(7, varintField(1, 1)); // SessionLog { status: START }
  if ("text" in content) return bytesField(5, bytesField(1, textValue(content.text)));
  const values = Object.entries(content.scalars).map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), float(2, value)])),
  );
  return bytesField(5, Buffer.concat(values));
}

/** Summary.Value { tag, metadata { plugin_data { plugin_name: "text" } }, tensor { dtype: DT_STRING, … } } */
function textValue({ tag, rows }: { tag: string; rows: readonly (readonly string[])[] }): Buffer {
  const dimension = (size: number) => bytesField(2, varintField(1, size));
  const shape = Buffer.concat([dimension(rows.length), dimension(rows[0]?.length ?? 0)]);
  const tensor = Buffer.concat([
    varintField(1, 7), // DT_STRING
    bytesField(2, shape),
    ...rows.flat().map((cell) => bytesField(8, Buffer.from(cell))),
  ]);
  const metadata = bytesField(1, bytesField(1, Buffer.from("text")));
  return Buffer.concat([bytesField(1, Buffer.from(tag)), bytesField(8, tensor), bytesField(9, metadata)]);
}

function checksum(bytes: Uint8Array): Buffer {
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(maskedCrc32c(bytes));
  return crc;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}

const key = (field: number, wire: 0 | 1 | 2 | 5) => varint((field << 3) | wire);
const varintField = (field: number, value: number) => Buffer.concat([key(field, 0), varint(value)]);
const bytesField = (field: number, value: Uint8Array) =>
  Buffer.concat([key(field, 2), varint(value.length), value]);

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, 5), bytes]);
}
