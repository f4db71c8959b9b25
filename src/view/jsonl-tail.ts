/**
 * Follows a JSONL file that another process may be appending to. Each byte is read once: `poll` continues where the
 * last one stopped. A last line without its newline is left for later, unless it is a complete object already. A file
 * that was replaced or has become shorter is read again from the start.
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";

const CHUNK = 1 << 20;
const NEWLINE = 0x0a;
const CLOSING_BRACE = 0x7d;
/** Milliseconds of parsing before the event loop runs. */
const SLICE_MS = 8;
/** Longer lines are counted as damaged and not kept in memory. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Bytes at the start of the file that identify it. */
const HEAD = 64;

/** Where a line is in its file. */
export interface LinePlace {
  /** Bytes before the line. */
  offset: number;
  /** Bytes of the line, without its newline. */
  length: number;
  /** Line number, from 1. */
  line: number;
}

export interface TailListener {
  /** Called for each complete line with its value, in order. */
  onRecord: (value: unknown, place: LinePlace) => void;
  /** Called for a complete line that is not JSON, or too long. */
  onDamaged: (place: LinePlace, why: string) => void;
  /** The file was replaced: everything reported before is no longer valid. */
  onReset: () => void;
}

export interface TailState {
  /** Bytes read, excluding the unfinished line. */
  offset: number;
  /** Size of the file at the last poll. */
  size: number;
  /** Time of the last change, in milliseconds since 1970; 0 when the file does not exist. */
  modified: number;
  /** Whether the file exists. */
  exists: boolean;
  /** Bytes after the last complete line. */
  pending: number;
}

export class JsonlTail {
  readonly file: string;
  readonly #listener: TailListener;
  #inode = 0;
  #head: Buffer = Buffer.alloc(0);
  #line = 1;
  #state: TailState = { offset: 0, size: 0, modified: 0, exists: false, pending: 0 };

  constructor(file: string, listener: TailListener) {
    this.file = file;
    this.#listener = listener;
  }

  get state(): Readonly<TailState> {
    return this.#state;
  }

  /**
   * Reads what was appended. Resolves to whether there was anything new. @throws the file system's error, except for an
   * absent file.
   */
  async poll(signal?: AbortSignal): Promise<boolean> {
    let handle: FileHandle;
    try {
      if (this.#isUnchanged(await stat(this.file))) return false;
      handle = await open(this.file, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return this.#absent();
    }
    try {
      const { size, ino, mtimeMs } = await handle.stat();
      if (this.#state.exists && !(await this.#isSame(handle, size, ino))) this.#reset();
      this.#inode = ino;
      this.#state = { ...this.#state, size, modified: mtimeMs, exists: true };
      await this.#read(handle, size, signal);
      return true;
    } finally {
      await handle.close();
    }
  }

  #isUnchanged({ size, ino, mtimeMs }: { size: number; ino: number; mtimeMs: number }): boolean {
    const { exists, size: before, modified } = this.#state;
    return exists && size === before && ino === this.#inode && mtimeMs === modified;
  }

  #absent(): boolean {
    if (!this.#state.exists) return false;
    this.#reset();
    return true;
  }

  #reset(): void {
    this.#state = { offset: 0, size: 0, modified: 0, exists: false, pending: 0 };
    this.#head = Buffer.alloc(0);
    this.#line = 1;
    this.#listener.onReset();
  }

  async #isSame(handle: FileHandle, size: number, inode: number): Promise<boolean> {
    if (inode !== this.#inode || size < this.#state.offset) return false;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(this.#head.length), 0, this.#head.length, 0);
    return bytesRead === this.#head.length && buffer.equals(this.#head);
  }

  async #read(handle: FileHandle, size: number, signal: AbortSignal | undefined): Promise<void> {
    let rest: Buffer[] = []; // the incomplete line, from #state.offset on
    let restBytes = 0;
    let at = this.#state.offset;
    while (at < size) {
      signal?.throwIfAborted();
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) break;
      if (this.#head.length < HEAD && at === this.#head.length)
        this.#head = Buffer.concat([
          this.#head,
          chunk.subarray(0, Math.min(bytesRead, HEAD - this.#head.length)),
        ]);
      const data = chunk.subarray(0, bytesRead);
      at += bytesRead;
      let start = 0;
      let sliced = performance.now();
      for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
        const tooLong = restBytes + end - start > MAX_LINE_BYTES;
        this.#take(
          tooLong ? undefined : Buffer.concat([...rest, data.subarray(start, end)]),
          restBytes + end - start,
          1,
        );
        rest = [];
        restBytes = 0;
        start = end + 1;
        if (performance.now() - sliced > SLICE_MS) {
          await turn(); // lets the server answer requests
          sliced = performance.now();
        }
      }
      restBytes += data.length - start;
      if (restBytes <= MAX_LINE_BYTES) rest.push(data.subarray(start));
      else rest = [];
    }
    // No prefix of a JSON object is a JSON object, so a line that parses is complete, even without its newline.
    const last = rest.at(-1);
    if (restBytes > 0 && last?.[last.length - 1] === CLOSING_BRACE) {
      const text = Buffer.concat(rest);
      const value = parse(text);
      if (value.ok) {
        this.#take(text, restBytes, 0);
        restBytes = 0;
      }
    }
    this.#state = { ...this.#state, pending: restBytes };
  }

  /** `newline`: 1 when the line ended with one. */
  #take(text: Buffer | undefined, length: number, newline: 0 | 1): void {
    const place = { offset: this.#state.offset, length, line: this.#line };
    this.#state = { ...this.#state, offset: this.#state.offset + length + newline };
    if (length === 0 && newline === 1 && this.#endedWithoutNewline) {
      this.#endedWithoutNewline = false;
      return;
    }
    this.#endedWithoutNewline = newline === 0;
    this.#line++;
    if (text === undefined) {
      this.#listener.onDamaged(place, `longer than ${MAX_LINE_BYTES} bytes`);
      return;
    }
    if (isBlank(text)) return;
    const value = parse(text);
    if (value.ok) this.#listener.onRecord(value.value, place);
    else this.#listener.onDamaged(place, "not JSON");
  }

  /** The newline of the last line has not been written yet. */
  #endedWithoutNewline = false;
}

function isBlank(text: Buffer): boolean {
  return text.length < 64 && text.toString("latin1").trim() === "";
}

function parse(text: Buffer): { ok: true; value: unknown } | { ok: false } {
  try {
    return { ok: true, value: JSON.parse(text.toString("utf8")) as unknown };
  } catch {
    return { ok: false };
  }
}

/** Reads one line again. @throws the file system's error; RangeError when the file has become shorter. */
export async function readLine(file: string, place: LinePlace): Promise<unknown> {
  await using handle = await open(file, "r");
  return await readLineOf(handle, place);
}

/** The same, from an open file. */
export async function readLineOf(handle: FileHandle, { offset, length }: LinePlace): Promise<unknown> {
  const buffer = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(buffer, read, length - read, offset + read);
    if (bytesRead === 0) throw new RangeError("the file has become shorter");
    read += bytesRead;
  }
  return JSON.parse(buffer.toString("utf8")) as unknown;
}
