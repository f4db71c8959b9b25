/**
 * metrics.jsonl: one object a line, in order of step, no step twice.
 *
 * A killed run may have logged steps that no checkpoint holds; it trains them again. So a log is opened at the step
 * that is resumed from, and lines after it (and a torn last line) are cut off first. The cut is a temp file renamed
 * over the old one: the log is whole at every moment. An open log holds the file's lock: one run writes there.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { writeFileAtomic } from "../files/atomic-write.js";
import { lockFile } from "../files/lock.js";

export type MetricsRecord = { step: number } & Record<string, number | string | boolean | null>;

export class MetricsLog {
  readonly #file: FileHandle;
  readonly #lock: AsyncDisposable;

  private constructor(file: FileHandle, lock: AsyncDisposable) {
    this.#file = file;
    this.#lock = lock;
  }

  /** Opens the log of a run whose first `stepsDone` updates are kept. Lines are numbered 1 … stepsDone. */
  static async open(path: string, stepsDone: number): Promise<MetricsLog> {
    const lock = await lockFile(path);
    try {
      const old = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "";
        throw error;
      });
      const kept = old.split("\n").filter((line) => stepOf(line) <= stepsDone);
      const text = kept.map((line) => `${line}\n`).join("");
      if (text !== old) await writeFileAtomic(path, text);
      return new MetricsLog(await open(path, "a"), lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  async append(record: MetricsRecord): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(record)}\n`);
  }

  async close(): Promise<void> {
    try {
      await this.#file.sync();
    } finally {
      await this.#file.close();
      await this.#lock[Symbol.asyncDispose]();
    }
  }
}

/** The step of a line; Infinity for a line that is not a whole record. */
function stepOf(line: string): number {
  try {
    const step = (JSON.parse(line) as { step?: unknown }).step;
    return typeof step === "number" ? step : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
