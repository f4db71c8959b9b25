/**
 * metrics.jsonl, and actions.jsonl: one object per line, in order of step, no step twice.
 *
 * A killed run may have logged steps that no checkpoint holds; it trains them again. So a log is opened at the step
 * that is resumed from, and lines after it (and a torn last line) are removed first. The shorter log is a temporary
 * file renamed over the old one: the log is complete at every moment. A file that is not a log is rejected and left
 * unchanged. An open log holds the file's lock, so that only one run writes to it.
 */
import { type FileHandle, open, readFile, realpath } from "node:fs/promises";
import { SwirlError } from "../errors/swirl-error.js";
import { writeFileAtomic } from "../files/atomic-write.js";
import { lockFile } from "../files/lock.js";

export class MetricsLog {
  readonly #file: FileHandle;
  readonly #lock: AsyncDisposable;

  private constructor(file: FileHandle, lock: AsyncDisposable) {
    this.#file = file;
    this.#lock = lock;
  }

  /**
   * Opens the log of a run whose first `stepsDone` updates are kept. Lines are numbered 1 … stepsDone.
   *
   * @throws SwirlError RECORD for a file that holds anything but metrics, CONFIG where another run has it open.
   */
  static async open(file: string, stepsDone: number): Promise<MetricsLog> {
    const lock = await lockFile(file);
    try {
      const path = await realpath(file).catch(() => file); // a rename would replace a link, not the file it names
      const old = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "";
        throw error;
      });
      const lines = old.split("\n");
      const last = lines.pop()!; // empty, or torn by a kill
      if (stepOf(last) !== undefined) lines.push(last);
      else if (lines.length === 0 && last !== "" && !/^\{("[^}]*)?$/.test(last)) throw noLog(file, 1);
      const damaged = lines.findIndex((line) => stepOf(line) === undefined);
      if (damaged >= 0) throw noLog(file, damaged + 1);
      const kept = lines.filter((line) => stepOf(line)! <= stepsDone);
      const text = kept.map((line) => `${line}\n`).join("");
      if (text !== old) await writeFileAtomic(path, text);
      return new MetricsLog(await open(path, "a"), lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  async append<Logged extends { step: number }>(record: Logged): Promise<void> {
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

/** undefined for a line that is not a whole record. */
function stepOf(line: string): number | undefined {
  try {
    const step = (JSON.parse(line) as { step?: unknown } | null)?.step;
    return typeof step === "number" ? step : undefined;
  } catch {
    return undefined;
  }
}

function noLog(file: string, line: number): SwirlError {
  return new SwirlError("RECORD", `${file}:${line}: this is not a line of metrics: {"step": n, …}`, {
    remedy: "give metrics a file of their own, or delete this line where it was damaged",
    details: { file, line },
  });
}
