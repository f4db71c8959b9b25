/**
 * Reads TensorBoard event files, written from the formats' descriptions and not from our writer: TFRecord framing with
 * its checksums (bit by bit), protocol buffers by wire type. A START of a session drops what lies at or after its step.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Events {
  versions: string[];
  scalars: Record<string, { step: number; value: number; seconds: number }[]>;
  texts: Record<string, { step: number; rows: string[][] }[]>;
}

export function readEvents(folder: string): Events {
  const events: Events = { versions: [], scalars: {}, texts: {} };
  const files = readdirSync(folder).filter((name) =>
    /^events\.out\.tfevents\.\d{10}\.[^/]+\.\d+\.\d+$/.test(name),
  );
  for (const file of files.sort()) {
    const bytes = readFileSync(join(folder, file));
    for (let at = 0; at < bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      expectChecksum(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8));
      const event = bytes.subarray(at + 12, at + 12 + length);
      expectChecksum(event, bytes.readUInt32LE(at + 12 + length));
      take(events, event);
      at += 16 + length;
    }
  }
  return events;
}

function expectChecksum(bytes: Uint8Array, masked: number): void {
  let crc = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (odd ? 0x82f63b78 : 0);
    }
  crc = ~crc >>> 0;
  const unshifted = (masked - 0xa282ead8) >>> 0;
  const stored = ((unshifted >>> 17) | (unshifted << 15)) >>> 0;
  if (stored !== crc) throw new Error(`checksum ${stored}, computed ${crc}`);
}

type Field = { field: number; value: bigint | Buffer };

function fields(bytes: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wire = key & 7;
    const field = key >> 3;
    if (wire === 0) found.push({ field, value: varint() });
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
      found.push({ field, value: bytes.subarray(at, at + length) });
      at += length;
    }
  }
  return found;
}

function listAt<Item>(lists: Record<string, Item[]>, tag: string): Item[] {
  lists[tag] ??= [];
  return lists[tag];
}

function take(events: Events, bytes: Buffer): void {
  const all = fields(bytes);
  const one = (of: Field[], field: number) => of.find((each) => each.field === field)?.value;
  const seconds = (one(all, 1) as Buffer).readDoubleLE();
  const step = Number((one(all, 2) as bigint | undefined) ?? 0n);
  const version = one(all, 3);
  if (version) events.versions.push(version.toString());
  const session = one(all, 7) as Buffer | undefined;
  if (session && one(fields(session), 1) === 1n)
    for (const rows of Object.values(events.scalars))
      rows.splice(0, rows.length, ...rows.filter((row) => row.step < step));
  const summary = one(all, 5) as Buffer | undefined;
  for (const { value } of summary ? fields(summary) : []) {
    const parts = fields(value as Buffer);
    const tag = (one(parts, 1) as Buffer).toString();
    const scalar = one(parts, 2) as Buffer | undefined;
    if (scalar) listAt(events.scalars, tag).push({ step, value: scalar.readFloatLE(), seconds });
    const tensor = one(parts, 8) as Buffer | undefined;
    if (!tensor) continue;
    const inner = fields(tensor);
    const cells = inner.filter(({ field }) => field === 8).map(({ value: cell }) => cell.toString());
    const shape = fields(one(inner, 2) as Buffer).map(({ value: dimension }) =>
      Number(one(fields(dimension as Buffer), 1)),
    );
    const width = shape[1]!;
    const rows = Array.from({ length: shape[0]! }, (_, i) => cells.slice(i * width, (i + 1) * width));
    listAt(events.texts, tag).push({ step, rows });
  }
}
