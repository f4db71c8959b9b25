/**
 * Rows of a Parquet file, one row group in memory at a time, with the types that JSON has: 64-bit integers become
 * numbers, dates ISO text, binary values are left out.
 */
import { open } from "node:fs/promises";
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { SwirlError } from "../errors/swirl-error.js";
import { firstBytes } from "../files/byte-stream.js";
import type { JsonlLine } from "../files/jsonl-reader.js";

export async function isParquet(file: string): Promise<boolean> {
  try {
    return (await firstBytes(file, 4)).toString("latin1") === "PAR1";
  } catch {
    return false; // reading the file reports the error
  }
}

/** `line` is the row's number. @throws SwirlError RECORD for a file that is damaged or uses an unsupported feature. */
export async function* parquetRows(file: string): AsyncGenerator<JsonlLine, void, undefined> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const source: AsyncBuffer = {
      byteLength: size,
      async slice(start, end = size) {
        const bytes = new Uint8Array(Math.max(0, end - start));
        for (let done = 0; done < bytes.length; ) {
          const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
          if (bytesRead === 0) throw new Error(`it ends at byte ${start + done}`);
          done += bytesRead;
        }
        return bytes.buffer;
      },
    };
    const metadata = await readable(file, () => parquetMetadataAsync(source, { geoparquet: false }));
    let line = 0;
    for (const group of metadata.row_groups) {
      const [rowStart, rowEnd] = [line, line + Number(group.num_rows)];
      const rows = await readable(file, () =>
        parquetReadObjects({ file: source, metadata, rowStart, rowEnd, compressors, geoparquet: false }),
      );
      for (const row of rows) yield { value: plain(row), line: ++line };
    }
  } finally {
    await handle.close();
  }
}

async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new SwirlError("RECORD", `${file}: cannot be read as Parquet (${(cause as Error).message})`, {
      remedy: "download the file again, or save it as JSONL",
      details: { file },
      cause,
    });
  }
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return undefined;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
