/**
 * Opens a JSONL file to continue it. The existing records are read and checked, a torn last line is set aside, and
 * records to be made again are removed (by an atomic rewrite, only if there are any). New records are then appended. The
 * file's lock is held throughout, so nobody else writes in between. A file of other records is not changed.
 */
import { createWriteStream, existsSync } from "node:fs";
import { realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { syncFolder, temporaryName } from "./atomic-write.js";
import { JsonlWriter, type KeptTornLine, settleLastLine } from "./jsonl-writer.js";
import { lockFile } from "./lock.js";

export interface ResumeOptions<T> {
  /** Every record of the file; throws at a record of another kind. Without `onTorn` a torn last line is an error. */
  read: (file: string, options: { onTorn?: () => void }) => AsyncIterable<T>;
  /** Called once for every record of the file; false takes it out. Throws when the file belongs to another run. */
  keep: (record: T) => boolean;
  onTorn?: ((torn: KeptTornLine) => void) | undefined;
}

export async function resumeJsonl<T>(path: string, options: ResumeOptions<T>): Promise<JsonlWriter> {
  const lock = await lockFile(path);
  const file = await realpath(path).catch(() => path); // a rewrite would replace a link, not the file it names
  try {
    const dropped = new Set<number>();
    let index = 0;
    if (existsSync(file))
      for await (const record of options.read(file, { onTorn: () => {} })) {
        if (!options.keep(record)) dropped.add(index);
        index++;
      }
    await settleLastLine(file, { onTorn: options.onTorn ?? (() => {}) });
    if (dropped.size > 0) await rewriteWithout(file, options.read, dropped);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  return JsonlWriter.open(file, { lock });
}

async function rewriteWithout<T>(
  file: string,
  read: ResumeOptions<T>["read"],
  dropped: Set<number>,
): Promise<void> {
  const temporary = temporaryName(file);
  async function* kept(): AsyncGenerator<string> {
    let index = 0;
    for await (const record of read(file, {})) if (!dropped.has(index++)) yield `${JSON.stringify(record)}\n`;
  }
  try {
    await pipeline(Readable.from(kept()), createWriteStream(temporary, { flush: true }));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
}
