/**
 * Appends JSON records to a file, one per line, and nothing else: a written line is never changed.
 *
 * A line is complete or absent: when a write fails half way (full disk, I/O error) the file is truncated to the end of
 * the last whole line. On opening, a last line that a killed process left without its newline is copied to
 * `<file>.torn`, reported and removed; a complete one only gets its newline. A file that does not begin with a record
 * is refused before anything in it changes. The file is fsynced at most `syncEveryMs` after an append and on close.
 * One writer per file: it holds the file's lock until it is closed.
 */
import * as fs from "node:fs/promises";
import { dirname } from "node:path";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import {
  type FileOperations,
  nodeFileOperations,
  type OpenFile,
  syncFolder,
  writeFully,
} from "./atomic-write.js";
import type { TornLine } from "./jsonl-reader.js";
import { lockFile } from "./lock.js";

const NEWLINE = 0x0a;

/** A torn line that was moved out of its file. */
export interface KeptTornLine extends TornLine {
  /** Path of the file that holds it now. */
  keptAt: string;
}

/** Options of a writer of JSONL records. */
export interface JsonlWriterOptions {
  /**
   * Longest time between an append and its sync to disk, in milliseconds. 0 = after every line.
   * @default 1000
   */
  syncEveryMs?: number;
  /** Called when the file ended in an unfinished line, which was moved to another file. */
  onTorn?: (torn: KeptTornLine) => void;
  /** Called with the file's first record. It throws when that is not of the kind that will be appended. */
  check?: (first: unknown) => void;
  /** The file-system calls, for tests. */
  operations?: FileOperations;
  /** The file's lock, when the caller already holds it. The writer releases it. */
  lock?: AsyncDisposable;
}

export class JsonlWriter {
  readonly file: string;
  readonly #handle: OpenFile;
  readonly #lock: AsyncDisposable;
  readonly #syncEveryMs: number;
  #size: number;
  #dirty = false;
  #timer: NodeJS.Timeout | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #syncError: unknown;
  #closed = false;

  private constructor(
    file: string,
    handle: OpenFile,
    lock: AsyncDisposable,
    size: number,
    syncEveryMs: number,
  ) {
    this.file = file;
    this.#handle = handle;
    this.#lock = lock;
    this.#size = size;
    this.#syncEveryMs = syncEveryMs;
  }

  /** @throws SwirlError CONFIG where another writer has the file open, in this process or another. */
  static async open(file: string, options: JsonlWriterOptions = {}): Promise<JsonlWriter> {
    const operations = options.operations ?? nodeFileOperations;
    const lock = options.lock ?? (await lockFile(file));
    try {
      await settleLastLine(file, options);
      const handle = await operations.open(file, "a");
      try {
        await syncFolder(dirname(file), operations);
        const { size } = await fs.stat(file);
        return new JsonlWriter(file, handle, lock, size, options.syncEveryMs ?? 1000);
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Resolves when the line is in the file (in the page cache; on disk at the next sync). Calls keep their order. */
  append(record: unknown): Promise<void> {
    // JSON.stringify writes nothing for undefined and functions, and the file could not be read again.
    const text = ofArguments("append", "a record", () => JSON.stringify(record));
    if (typeof record !== "object" || record === null || typeof text !== "string") {
      throw new SwirlError(
        "INPUT",
        `${this.file}: ${record === null ? "null" : typeof record} is not a record`,
        {
          remedy: "append an object",
        },
      );
    }
    const line = Buffer.from(`${text}\n`);
    return this.#enqueue(() => this.#write(line));
  }

  /** Resolves when everything appended before is on disk. */
  sync(): Promise<void> {
    return this.#enqueue(() => this.#syncNow());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const last = this.#enqueue(() => this.#syncNow());
    this.#closed = true;
    try {
      await last;
    } finally {
      await this.#handle.close();
      await this.#lock[Symbol.asyncDispose]();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new SwirlError("DISPOSED", `${this.file}: append after close`);
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }

  async #write(line: Uint8Array): Promise<void> {
    if (this.#syncError) throw this.#failure(this.#syncError);
    try {
      await writeFully(this.#handle, line);
    } catch (cause) {
      await this.#handle.truncate(this.#size);
      throw this.#failure(cause);
    }
    this.#size += line.byteLength;
    this.#dirty = true;
    if (this.#syncEveryMs === 0) return this.#syncNow();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#closed) return;
      this.#enqueue(() => this.#syncNow()).catch((error) => {
        this.#syncError = error; // the next append reports it: a timer has no caller
      });
    }, this.#syncEveryMs).unref();
  }

  async #syncNow(): Promise<void> {
    if (!this.#dirty) return;
    await this.#handle.sync();
    this.#dirty = false;
  }

  #failure(cause: unknown): SwirlError {
    return new SwirlError("RECORD", `${this.file}: cannot append (${(cause as Error).message})`, {
      remedy:
        "free disk space or correct the permissions, then run again: it resumes after the last whole line",
      details: { file: this.file },
      cause,
    });
  }
}

/** Leaves the file absent, empty or ending in a newline. @throws SwirlError RECORD, with the file as it was. */
export async function settleLastLine(
  file: string,
  { onTorn, check }: Pick<JsonlWriterOptions, "onTorn" | "check">,
): Promise<void> {
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(file, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    if (size === 0) return; // also what a resumed run leaves when all its records failed
    const tail = await lastLine(handle, size);
    const text = tail.toString("utf8");
    if (tail.byteLength < size) await requireRecord(handle, file, check);
    else if (isRecord(text)) check?.(JSON.parse(text));
    else if (!beginsRecord(text)) throw notRecords(file, text);
    if (tail.byteLength === 0) return;
    if (isRecord(text)) {
      await handle.write(Buffer.from("\n"), 0, 1, size);
    } else {
      const keptAt = `${file}.torn`;
      await fs.appendFile(keptAt, `${text}\n`);
      await handle.truncate(size - tail.byteLength);
      const line = (await countNewlines(handle, size - tail.byteLength)) + 1;
      onTorn?.({ file, line, text, keptAt });
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The bytes after the last newline. */
async function lastLine(handle: fs.FileHandle, size: number): Promise<Buffer> {
  let tail = Buffer.alloc(0);
  for (let end = size; end > 0; ) {
    const length = Math.min(1 << 16, end);
    const block = Buffer.alloc(length);
    await handle.read(block, 0, length, end - length);
    const newline = block.lastIndexOf(NEWLINE);
    tail = Buffer.concat([block.subarray(newline + 1), tail]);
    if (newline >= 0) break;
    end -= length;
  }
  return tail;
}

async function countNewlines(handle: fs.FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(1 << 16);
  let count = 0;
  for (let position = 0; position < size; ) {
    const { bytesRead } = await handle.read(block, 0, Math.min(block.length, size - position), position);
    if (bytesRead === 0) break;
    for (let i = 0; i < bytesRead; i++) if (block[i] === NEWLINE) count++;
    position += bytesRead;
  }
  return count;
}

/** Checks the first line that is not blank. */
async function requireRecord(
  handle: fs.FileHandle,
  file: string,
  check: JsonlWriterOptions["check"],
): Promise<void> {
  let read = Buffer.alloc(0);
  for (let ended = false; !ended; ) {
    const block = Buffer.alloc(1 << 16);
    const { bytesRead } = await handle.read(block, 0, block.length, read.length);
    read = Buffer.concat([read, block.subarray(0, bytesRead)]);
    ended = bytesRead === 0;
    // A binary file may hold no newline for gigabytes: its first bytes are enough to refuse it.
    const start = read.subarray(0, 64).toString("utf8");
    if (!/^\s*(\{|$)/.test(start)) throw notRecords(file, start);
    const lines = block.subarray(0, bytesRead).includes(NEWLINE) ? read.toString("utf8").split("\n") : [];
    const first = lines.slice(0, -1).find((line) => line.trim() !== "");
    if (first === undefined) continue;
    if (!isRecord(first)) throw notRecords(file, first);
    check?.(JSON.parse(first));
    return;
  }
}

/** Whether a truncated text can be the beginning of an object. A torn first line has nothing else to check. */
function beginsRecord(text: string): boolean {
  return text === "{" || text.startsWith('{"');
}

function isRecord(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function notRecords(file: string, text: string): SwirlError {
  return new SwirlError(
    "RECORD",
    `${file} is not a file of records: it begins with ${JSON.stringify(text.slice(0, 40))}`,
    {
      remedy: "write to another path: this file was not changed",
      details: { file, line: 1 },
    },
  );
}
