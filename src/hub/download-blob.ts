/**
 * Downloads one file of the hub into the cache's blobs. It resumes where an earlier attempt or process stopped, and the
 * hash is checked before the file gets its name. Bytes with another hash than the hub's are deleted.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { lockFile } from "../files/lock.js";
import { DOWNLOAD_ATTEMPTS, type HubClient, type HubFile, PassingError } from "./hub-client.js";

export interface DownloadOptions {
  client: HubClient;
  url: URL;
  file: HubFile;
  /** The folder `blobs`. */
  folder: string;
  signal?: AbortSignal | undefined;
  /** Bytes of this file that have been downloaded. */
  onBytes: (bytes: number) => void;
  /** An attempt fails after so many milliseconds without a byte. */
  idleMs?: number;
}

/** Returns the blob's path. */
export async function downloadBlob(options: DownloadOptions): Promise<string> {
  const { client, file, folder, onBytes } = options;
  const blob = join(folder, file.etag);
  if ((await sizeOf(blob)) === file.bytes) {
    onBytes(file.bytes);
    return blob;
  }
  const part = `${blob}.swirl-incomplete`;
  await using _ = await lockFile(part);
  for (let damaged = 0; ; damaged++) {
    let before = 0;
    let now = 0;
    await client.attempts(
      file.path,
      DOWNLOAD_ATTEMPTS,
      async () => {
        before = await sizeOf(part);
        now = before;
        await fetchInto(part, options, (bytes) => {
          now = bytes;
          onBytes(bytes);
        });
      },
      () => now > before,
    );
    if ((await hashOf(part, file, options.signal)) === file.etag) break;
    await rm(part, { force: true });
    if (damaged === 1)
      throw new SwirlError(
        "ENDPOINT",
        `${file.path}: its ${file.hash} differs from the hub's, in two downloads`,
        {
          remedy: "something between here and the hub changes files: check HF_ENDPOINT and proxies",
          details: { file: file.path },
        },
      );
  }
  await rename(part, blob);
  return blob;
}

async function fetchInto(
  part: string,
  { client, url, file, signal, idleMs = 60_000 }: DownloadOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await using handle = await opened(part);
  let at = (await handle.file.stat()).size;
  if (at > file.bytes) at = 0;
  if (at === file.bytes) return;
  const idle = new AbortController();
  const stop = signal ? AbortSignal.any([signal, idle.signal]) : idle.signal;
  let timer = setTimeout(() => idle.abort(), idleMs);
  try {
    const response = await client.get(url, at > 0 ? { range: `bytes=${at}-` } : {}, stop);
    // Without 206 the server sends the whole file.
    const from =
      response.status === 206 ? /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] : "0";
    if (Number(from) !== at && Number(from) !== 0)
      throw new PassingError("the server sends another part of the file");
    at = Number(from);
    await handle.file.truncate(at);
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      const bytes = chunk as Uint8Array;
      if (at + bytes.byteLength > file.bytes)
        throw new PassingError("the server sends more bytes than the file has");
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesWritten } = await handle.file.write(bytes, done, bytes.byteLength - done, at + done);
        done += bytesWritten;
      }
      at += bytes.byteLength;
      onBytes(at);
      timer = setTimeout(() => idle.abort(), idleMs);
    }
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof PassingError || SwirlError.isInstance(error)) throw error;
    if (idle.signal.aborted) throw new PassingError(`no data for ${idleMs / 1000} s`);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT" || code === "EIO" || code === "EACCES") throw error;
    throw new PassingError(`the transfer broke off after ${at} of ${file.bytes} bytes`);
  } finally {
    clearTimeout(timer);
  }
  if (at < file.bytes) throw new PassingError(`the transfer ended after ${at} of ${file.bytes} bytes`);
  await handle.file.sync();
}

async function opened(path: string): Promise<{ file: FileHandle } & AsyncDisposable> {
  const file = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return open(path, "wx+");
    throw error;
  });
  return { file, [Symbol.asyncDispose]: () => file.close() };
}

async function hashOf(
  path: string,
  { hash, bytes }: HubFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  const digest: Hash = createHash(hash === "sha256" ? "sha256" : "sha1");
  if (hash === "git-sha1") digest.update(`blob ${bytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    throwIfAborted(signal);
    digest.update(chunk as Buffer);
  }
  return digest.digest("hex");
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
