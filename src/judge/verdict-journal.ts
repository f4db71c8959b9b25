/**
 * verdicts.jsonl: one line per verdict, append-only. The journal is read when it is opened, and its verdicts are the
 * cache. A line that a killed process left unfinished is set aside (see jsonl-writer.ts). A line of another version, or
 * one that is not a verdict, is an error that names file and line.
 */

import { z } from "zod";
import { checkedMethods, ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseRecord, readRecords, type TornLine } from "../files/jsonl-reader.js";
import { JsonlWriter } from "../files/jsonl-writer.js";
import { redact } from "../secrets/redact.js";
import type { StepView } from "../trajectory/step-views.js";
import type { Verdict } from "./judge.js";
import { VERDICT_SHAPE, verdictSchema, withoutAbsent } from "./judged-trajectory.js";

export const VERDICT_VERSION = 1;

const recordSchema = z.strictObject({
  version: z.literal(VERDICT_VERSION),
  key: z.string().regex(/^[0-9a-f]{64}$/), // stepKey(judge, step)
  judge: z.string(),
  verdict: verdictSchema,
  /** For people; the key covers all that the judge saw. */
  question: z.string(),
  action: z.string(),
});

const RECORD = { what: "verdict", version: VERDICT_VERSION } as const;

/** Version 0.1.0 wrote a score that was not finite as null: such a verdict counts as failed. */
const readSchema = z.preprocess((line) => {
  const { verdict } = (line ?? {}) as { verdict?: { status?: unknown; score?: unknown } };
  if (verdict?.status !== "ok" || verdict.score !== null) return line;
  return { ...(line as object), verdict: { status: "failed", error: "the score was not finite" } };
}, recordSchema);

/** Options of {@link VerdictJournal.open}. */
export interface VerdictJournalOptions {
  /**
   * Longest time that a written line may wait for the disk, in milliseconds, at least 0; 0 = each verdict is on disk
   * before `add` resolves.
   * @default 1000
   */
  syncEveryMs?: number;
  /** Called when the file ended in an unfinished line. The line was moved to the file `keptAt`. */
  onTorn?: (torn: TornLine & { keptAt: string }) => void;
}

/**
 * A file of verdicts, and the cache of those in it. One process at a time may have it open; any number of judges can
 * share it.
 *
 * @example
 * await using journal = await VerdictJournal.open("verdicts.jsonl");
 * const first = await journaledJudge(judgeA, journal);
 * const second = await journaledJudge(judgeB, journal);
 */
export class VerdictJournal implements AsyncDisposable {
  /** Path of the file. */
  readonly file: string;
  readonly #verdicts: Map<string, Verdict>;
  readonly #writer: JsonlWriter;

  private constructor(file: string, verdicts: Map<string, Verdict>, writer: JsonlWriter) {
    this.file = file;
    this.#verdicts = verdicts;
    this.#writer = writer;
  }

  /**
   * Creates the file, or opens it to append after its last complete line.
   *
   * @throws SwirlError RECORD for a line that is not a verdict of this version, CONFIG when another process has it open.
   */
  static async open(file: string, options: VerdictJournalOptions = {}): Promise<VerdictJournal> {
    return await ofArgumentsAsync("VerdictJournal.open", "(file, options)", async () => {
      const check = (first: unknown) => parseRecord(first, readSchema, { ...RECORD, file, line: 1 });
      const writer = await JsonlWriter.open(file, { check, ...options }); // sets a torn last line aside
      try {
        const verdicts = new Map<string, Verdict>();
        for await (const record of readRecords(file, readSchema, RECORD)) {
          verdicts.set(record.key, withoutAbsent(record.verdict));
        }
        return new VerdictJournal(file, verdicts, writer);
      } catch (error) {
        await writer.close();
        throw error;
      }
    });
  }

  /** Distinct steps with a verdict. */
  get size(): number {
    return this.#verdicts.size;
  }

  /** The newest verdict of a key; undefined when there is none. */
  get(key: string): Verdict | undefined {
    return this.#verdicts.get(key);
  }

  /**
   * Appends a verdict, without secrets, and resolves when the line is in the file. It replaces an earlier verdict of the
   * same key.
   *
   * @param key Hash of the judge's id and all that the judge saw: 64 hexadecimal digits.
   * @throws SwirlError RECORD for a verdict that could not be read again, such as a score of NaN; nothing is written then.
   */
  async add(key: string, judge: string, view: StepView, verdict: Verdict): Promise<void> {
    const { question, action } = view;
    const recorded = redact(verdict);
    const record = { version: VERDICT_VERSION, key, judge, verdict: recorded, question, action };
    const checked = recordSchema.safeParse(record);
    if (!checked.success) {
      const { path, message } = checked.error.issues[0]!;
      throw new SwirlError(
        "RECORD",
        `${this.file}: a verdict of ${judge} cannot be recorded: ${path.join(".")}: ${message}`,
        {
          remedy: `a judge returns ${VERDICT_SHAPE}, and steps have a question and an action`,
          details: { file: this.file, field: path.join(".") },
        },
      );
    }
    await this.#writer.append(record);
    this.#verdicts.set(key, recorded);
  }

  /** Resolves when everything added so far is on disk. */
  sync(): Promise<void> {
    return this.#writer.sync();
  }

  /** Writes what is left to disk and closes the file. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

checkedMethods(VerdictJournal, { add: "(key, judge, step, verdict)" });
