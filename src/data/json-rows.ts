/**
 * Rows of a data file, one in memory at a time, with the line in which each begins. The file is one of
 *   JSONL           one object per line
 *   a JSON array    [row, row, …], printed over any number of lines
 *   an envelope     { "version": …, "data": [row, row, …] }
 *   Parquet         `line` counts its rows
 * The content decides, not the name. JSON may be compressed with gzip and begin with a byte-order mark. Every error
 * names file and line.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { byteStream } from "../files/byte-stream.js";
import { type JsonlLine, readJsonLines } from "../files/jsonl-reader.js";
import { isParquet, parquetRows } from "./parquet-rows.js";

const MAX_ROW_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 200;
const HEAD_BYTES = 4096;
const ENVELOPE =
  /^\s*\{\s*(?:"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[-\d.eE]+|true|false|null)\s*,\s*)*"data"\s*:\s*\[/;

export async function* readJsonRows(file: string): AsyncGenerator<JsonlLine, void, undefined> {
  if (await isParquet(file)) return yield* parquetRows(file);
  const { head, bytes } = await withHead(byteStream(file));
  const text = head.toString("utf8");
  const envelope = ENVELOPE.exec(text);
  const start = envelope ? envelope[0].length - 1 : text.search(/\S/);
  if (text[start] === "[") yield* arrayRows(file, bytes, text.slice(0, start));
  else yield* readJsonLines(file, { bytes });
}

/** The first bytes, and all of them as a stream. */
async function withHead(
  source: AsyncGenerator<Buffer>,
): Promise<{ head: Buffer; bytes: AsyncIterable<Buffer> }> {
  let begun = Buffer.alloc(0);
  while (begun.length < HEAD_BYTES) {
    const { value, done } = await source.next();
    if (done) break;
    begun = Buffer.concat([begun, value]);
  }
  async function* bytes(): AsyncGenerator<Buffer> {
    if (begun.length > 0) yield begun;
    yield* source;
  }
  return { head: begun.subarray(0, HEAD_BYTES), bytes: bytes() };
}

const [QUOTE, BACKSLASH, NEWLINE, COMMA] = [0x22, 0x5c, 0x0a, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

async function* arrayRows(
  file: string,
  bytes: AsyncIterable<Buffer>,
  before: string,
): AsyncGenerator<JsonlLine, void, undefined> {
  const splitter = new ArraySplitter(file, before.split("\n").length);
  let skipped = Buffer.byteLength(before);
  for await (const chunk of bytes) {
    yield* splitter.push(chunk.subarray(skipped));
    skipped = 0; // it lies in the first chunk
    if (splitter.closed) return;
  }
  throw splitter.error("the array is not closed: the file is cut off");
}

/** Finds the elements of one array in a stream of bytes, by counting brackets outside of strings. */
class ArraySplitter {
  closed = false;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Buffer[] = [];
  #bytes = 0;
  #line: number;
  #rowLine: number;

  constructor(
    private readonly file: string,
    line: number,
  ) {
    this.#line = line;
    this.#rowLine = line;
  }

  *push(chunk: Buffer): Generator<JsonlLine, void, undefined> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === NEWLINE) this.#line++;
      if (this.#inString) {
        this.#skipString(byte);
        continue;
      }
      if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        if (++this.#depth > MAX_DEPTH) throw this.error("a row is nested too deeply");
        if (this.#depth === 1) from = at + 1;
        else if (this.#depth === 2) this.#rowLine = this.#line;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) this.#depth--;
      if (this.#depth === 0 || (this.#depth === 1 && byte === COMMA)) {
        this.#keep(chunk.subarray(from, at));
        yield* this.#row(this.#depth === 0);
        from = at + 1;
        if (this.#depth === 0) {
          this.closed = true;
          return;
        }
      }
    }
    this.#keep(chunk.subarray(from));
  }

  #skipString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > MAX_ROW_BYTES) throw this.error(`a row of more than ${MAX_ROW_BYTES} bytes`);
    this.#parts.push(part);
  }

  *#row(last: boolean): Generator<JsonlLine, void, undefined> {
    const text = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    if (last && text.trim() === "") return;
    try {
      yield { value: JSON.parse(text), line: this.#rowLine };
    } catch (cause) {
      throw this.error(`not JSON (${(cause as Error).message})`);
    }
    this.#rowLine = this.#line;
  }

  error(what: string): SwirlError {
    return new SwirlError("RECORD", `${this.file}:${this.#rowLine}: ${what}`, {
      remedy: "download the file again, or correct this row",
      details: { file: this.file, line: this.#rowLine },
    });
  }
}
