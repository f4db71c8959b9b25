/**
 * Writes files and folders that are complete or absent.
 *
 * A file is written to a temporary name in its own folder, fsynced, renamed over its target, and the folder is
 * fsynced. After a crash or a full disk, the path holds the old content or the new, never a part. A folder is filled
 * under a temporary name and published the same way. When a call fails, the temporary is removed and the target is
 * unchanged. `FileOperations` lets a test fail or shorten every single call.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { requirePath } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";

/** Result of one write. */
export interface WriteResult {
  /** Bytes that were written. */
  bytesWritten: number;
}

/** An open file, as {@link FileOperations} returns it: the part of `node:fs` FileHandle that is used. */
export interface OpenFile {
  /** Writes up to `length` bytes of `data`. It may write fewer: `bytesWritten` counts them. */
  write(data: Uint8Array, offset: number, length: number, position: number | null): Promise<WriteResult>;
  /** Forces the content to disk. */
  sync(): Promise<void>;
  /** Truncates the file to `length` bytes. */
  truncate(length: number): Promise<void>;
  /** Closes the file. */
  close(): Promise<void>;
}

/** The file-system calls of a write. A test may replace them to fail or shorten any of them. */
export interface FileOperations {
  /** Opens a file with `node:fs` flags. */
  open(path: string, flags: string): Promise<OpenFile>;
  /** Renames a file or folder. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or folder, if it exists. */
  remove(path: string): Promise<void>;
}

export const nodeFileOperations: FileOperations = {
  open: (path, flags) => fs.open(path, flags),
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.rm(path, { recursive: true, force: true }),
};

/** Part of the names of temporary files. A crash may leave such files; `removeTemporaries` removes them. */
const TEMPORARY = ".tmp-";

/**
 * Writes a file atomically: after a crash or a full disk the path holds the old content or the new, never a part.
 *
 * @param operations The file-system calls, for tests.
 * @throws the file system's own error (ENOENT, ENOSPC, …). The target is then unchanged.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  operations: FileOperations = nodeFileOperations,
): Promise<void> {
  requirePath("a file to write", path);
  if (typeof data !== "string" && !(data instanceof Uint8Array))
    throw new SwirlError("INPUT", `${path}: the data is neither text nor bytes`, {
      remedy: "give a string or a Uint8Array",
      details: { file: path },
    });
  const temporary = temporaryName(path);
  try {
    await writeFileDurable(temporary, data, operations);
    await operations.rename(temporary, path);
  } catch (error) {
    await operations.remove(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path), operations);
}

/** Writes and fsyncs a file under its final name: for files inside a folder that is not published yet. */
export async function writeFileDurable(
  path: string,
  data: string | Uint8Array,
  operations: FileOperations = nodeFileOperations,
): Promise<void> {
  const file = await operations.open(path, "w");
  try {
    await writeFully(file, typeof data === "string" ? Buffer.from(data) : data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Calls `fill` with a temporary folder next to `folder`, then publishes it under its name. `fill` fsyncs what it writes
 * (writeFileDurable). The target must not exist: a published folder is never changed.
 */
export async function writeFolderAtomic(
  folder: string,
  fill: (temporary: string) => Promise<void>,
  operations: FileOperations = nodeFileOperations,
): Promise<void> {
  const temporary = temporaryName(folder);
  try {
    await fs.mkdir(temporary);
    await fill(temporary);
    await syncFolder(temporary, operations);
    await operations.rename(temporary, folder);
  } catch (error) {
    await operations.remove(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(folder), operations);
}

/** Writes all of `data`, also when single writes are short. */
export async function writeFully(file: OpenFile, data: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < data.byteLength) {
    const { bytesWritten } = await file.write(data, offset, data.byteLength - offset, null);
    if (bytesWritten <= 0) throw new Error(`wrote 0 of ${data.byteLength - offset} bytes`);
    offset += bytesWritten;
  }
}

/** Makes a rename or a new name in this folder survive a power cut. */
export async function syncFolder(
  folder: string,
  operations: FileOperations = nodeFileOperations,
): Promise<void> {
  if (process.platform === "win32") return; // a folder cannot be opened there; NTFS journals the rename
  const handle = await operations.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what an interrupted write left in `folder`, and returns the names. The folder must have no writer. */
export async function removeTemporaries(folder: string): Promise<string[]> {
  const names = (await fs.readdir(folder)).filter((name) => name.startsWith(".") && name.includes(TEMPORARY));
  for (const name of names) await fs.rm(join(folder, name), { recursive: true, force: true });
  return names;
}

/** A unique name next to `path`, which `removeTemporaries` recognizes. */
export function temporaryName(path: string): string {
  return join(
    dirname(path),
    `.${basename(path)}${TEMPORARY}${process.pid}-${randomBytes(4).toString("hex")}`,
  );
}
