/**
 * Embeddings on disk, so that a corpus is embedded once: an append-only file of records
 *   key, 32 bytes (SHA-256 of model and text) | CRC-32 of key and vector, uint32 | vector, float32 [dimensions]
 * after a header "swirlvec", version, dimensions (uint32 each). Little-endian. Reading stops at a record
 * that a crash left incomplete, or that is damaged: the file is truncated there, and new records follow.
 */
import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { SwirlError } from "../../errors/swirl-error.js";
import { makeFolder } from "../../files/make-folder.js";

const MAGIC = Buffer.from("swirlvec");
const VERSION = 1;
const HEADER = 16;
const KEY = 32;
const MAX_DIMENSIONS = 65_536;
const MAX_BYTES = 2 ** 31;

export class VectorCache {
  readonly #vectors = new Map<string, Float32Array>();
  #dimensions: number | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(private readonly file: string | undefined) {}

  /** Without a file the cache lives in memory. @throws SwirlError RECORD when the file is not such a cache. */
  static async open(file: string | undefined): Promise<VectorCache> {
    const cache = new VectorCache(file);
    if (file !== undefined) await cache.#load(file);
    return cache;
  }

  static key(model: string, text: string): string {
    return createHash("sha256")
      .update(JSON.stringify([model, text]))
      .digest("hex");
  }

  get size(): number {
    return this.#vectors.size;
  }

  get dimensions(): number | undefined {
    return this.#dimensions;
  }

  get(key: string): Float32Array | undefined {
    return this.#vectors.get(key);
  }

  /** @throws SwirlError ENDPOINT when a vector's length differs from those before it. */
  async add(entries: readonly (readonly [key: string, vector: Float32Array])[]): Promise<void> {
    const records: Buffer[] = [];
    for (const [key, vector] of entries) {
      this.#dimensions ??= vector.length;
      if (vector.length !== this.#dimensions || vector.length === 0) {
        throw new SwirlError(
          "ENDPOINT",
          `an embedding of ${vector.length} numbers among those of ${this.#dimensions}`,
          {
            remedy: "did the server change its model? delete the cache, or give each model its own",
            details: this.file === undefined ? {} : { file: this.file },
          },
        );
      }
      if (this.#vectors.has(key)) continue;
      this.#vectors.set(key, vector);
      records.push(encodeRecord(key, vector));
    }
    if (this.file === undefined || records.length === 0) return;
    const { file } = this;
    this.#writing = this.#writing.then(() => append(file, this.#dimensions!, Buffer.concat(records)));
    await this.#writing;
  }

  async #load(file: string): Promise<void> {
    const data = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return Buffer.alloc(0);
      throw new SwirlError("RECORD", `${file} cannot be read: ${cause.message}`, {
        details: { file },
        cause,
      });
    });
    if (data.length > MAX_BYTES) throw foreign(file, `has ${data.length} bytes`);
    if (data.length < HEADER) return;
    const dimensions = data.readUInt32LE(12);
    if (!data.subarray(0, 8).equals(MAGIC) || data.readUInt32LE(8) !== VERSION)
      throw foreign(file, "has another header");
    if (dimensions === 0 || dimensions > MAX_DIMENSIONS) throw foreign(file, `has ${dimensions} dimensions`);
    this.#dimensions = dimensions;
    const size = KEY + 4 + 4 * dimensions;
    let at = HEADER;
    for (; at + size <= data.length; at += size) {
      const record = data.subarray(at, at + size);
      if (checksum(record) !== record.readUInt32LE(KEY)) break;
      const vector = new Float32Array(dimensions);
      for (let i = 0; i < dimensions; i++) vector[i] = record.readFloatLE(KEY + 4 + 4 * i);
      this.#vectors.set(record.toString("hex", 0, KEY), vector);
    }
    if (at < data.length) await truncate(file, at);
  }
}

function encodeRecord(key: string, vector: Float32Array): Buffer {
  const record = Buffer.alloc(KEY + 4 + 4 * vector.length);
  record.write(key, 0, "hex");
  for (const [i, value] of vector.entries()) record.writeFloatLE(value, KEY + 4 + 4 * i);
  record.writeUInt32LE(checksum(record), KEY);
  return record;
}

function checksum(record: Buffer): number {
  return crc32(record.subarray(KEY + 4), crc32(record.subarray(0, KEY)));
}

async function append(file: string, dimensions: number, records: Buffer): Promise<void> {
  await makeFolder(dirname(file));
  const handle = await open(file, "a");
  try {
    const header = Buffer.alloc(HEADER);
    MAGIC.copy(header);
    header.writeUInt32LE(VERSION, 8);
    header.writeUInt32LE(dimensions, 12);
    const { size } = await handle.stat();
    if (size > 0 && size < HEADER) await handle.truncate(0); // a header torn by a crash
    await handle.appendFile(size < HEADER ? Buffer.concat([header, records]) : records);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function truncate(file: string, length: number): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.truncate(length);
  } finally {
    await handle.close();
  }
}

function foreign(file: string, what: string): SwirlError {
  return new SwirlError("RECORD", `${file} ${what}: not a cache of embeddings of this version`, {
    remedy: "delete it, or give cacheFile another name",
    details: { file },
  });
}
