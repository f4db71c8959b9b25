/**
 * Opens a JSONL file to go on with it: a torn last line is set aside, the records already there are read and checked,
 * those to be made again are taken out (by an atomic rewrite, only if there are any), and new ones are appended. All
 * of it under the file's lock: nobody else writes there in between.
 */
import { createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { syncFolder } from "./atomic-write.js";
import type { TornLine } from "./jsonl-reader.js";
import { JsonlWriter, settleLastLine } from "./jsonl-writer.js";
import { lockFile } from "./lock.js";

export interface ResumeOptions<T> {
  read: (file: string) => AsyncIterable<T>;
  /** Called once for every record of the file; false takes it out. Throws when the file belongs to another run. */
  keep: (record: T) => boolean;
  onTorn?: ((torn: TornLine & { keptAt: string }) => void) | undefined;
}

export async function resumeJsonl<T>(file: string, options: ResumeOptions<T>): Promise<JsonlWriter> {
  const lock = await lockFile(file);
  try {
    await settleLastLine(file, options.onTorn); // the reader below meets whole lines only
    const dropped = new Set<number>();
    let index = 0;
    if (existsSync(file))
      for await (const record of options.read(file)) {
        if (!options.keep(record)) dropped.add(index);
        index++;
      }
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
  const temporary = `${file}.tmp-${process.pid}`;
  async function* kept(): AsyncGenerator<string> {
    let index = 0;
    for await (const record of read(file)) if (!dropped.has(index++)) yield `${JSON.stringify(record)}\n`;
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
