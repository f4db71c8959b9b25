/**
 * The bytes of a text file as UTF-8. Gzip is recognized by its first bytes and decompressed, a byte-order mark is
 * dropped, and UTF-16 with a byte-order mark (as PowerShell writes it) is decoded.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { TextDecoder } from "node:util";
import { createGunzip } from "node:zlib";
import { requirePath } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";

const CHUNK_BYTES = 1 << 18;
const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** @throws SwirlError RECORD when the file cannot be read or its gzip is damaged. */
export async function* byteStream(file: string): AsyncGenerator<Buffer, void, undefined> {
  requirePath("a file to read", file);
  try {
    const [a, b] = await firstBytes(file, 2);
    const stored = createReadStream(file, { highWaterMark: CHUNK_BYTES });
    if (a !== 0x1f || b !== 0x8b) return yield* asUtf8(stored);
    // An error of either stream reaches the reader through the second one.
    const unpacked = pipeline(stored, createGunzip({ chunkSize: CHUNK_BYTES }), () => undefined);
    yield* asUtf8(unpacked);
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new SwirlError("RECORD", `${file}: cannot be read (${message})`, {
      remedy: code?.startsWith("Z_")
        ? "the compressed file is damaged or cut off: download it again"
        : "check the path and its permissions",
      details: { file },
      cause,
    });
  }
}

/** The first `count` bytes of a file, or all of a shorter one. */
export async function firstBytes(file: string, count: number): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function* asUtf8(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let head: Buffer | undefined = Buffer.alloc(0);
  let utf16: TextDecoder | undefined;
  for await (const chunk of chunks) {
    let data: Buffer = chunk;
    if (head) {
      data = Buffer.concat([head, chunk]);
      if (data.length < UTF8_MARK.length) {
        head = data;
        continue;
      }
      head = undefined;
      if (data.subarray(0, 3).equals(UTF8_MARK)) data = data.subarray(3);
      else if (data[0] === 0xff && data[1] === 0xfe) utf16 = new TextDecoder("utf-16le");
      else if (data[0] === 0xfe && data[1] === 0xff) utf16 = new TextDecoder("utf-16be");
    }
    if (utf16) data = Buffer.from(utf16.decode(data, { stream: true }));
    if (data.length > 0) yield data;
  }
  if (head && head.length > 0) yield head;
  if (utf16) yield Buffer.from(utf16.decode());
}
