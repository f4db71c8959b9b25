/**
 * verdicts.jsonl: every verdict that was given, one line each, append-only. Read at the start, it is the cache of
 * what need not be asked again. A line that a killed process left unfinished is set aside (see jsonl-writer.ts); a
 * line of another version or that is no verdict is an error naming file and line.
 */
import { z } from "zod";
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
  /** For a person to read; the key covers all that the judge saw. */
  question: z.string(),
  action: z.string(),
});

const RECORD = { what: "verdict", version: VERDICT_VERSION } as const;

/** Version 0.1.0 wrote a score that was not finite as null: such a verdict failed, and is asked for again. */
const readSchema = z.preprocess((line) => {
  const { verdict } = (line ?? {}) as { verdict?: { status?: unknown; score?: unknown } };
  if (verdict?.status !== "ok" || verdict.score !== null) return line;
  return { ...(line as object), verdict: { status: "failed", error: "the score was not finite" } };
}, recordSchema);

export interface VerdictJournalOptions {
  /** Longest time that a written line may wait for the disk; 0 = every line is on disk before its verdict is given. */
  syncEveryMs?: number;
  onTorn?: (torn: TornLine & { keptAt: string }) => void;
}

export class VerdictJournal implements AsyncDisposable {
  readonly file: string;
  readonly #verdicts: Map<string, Verdict>;
  readonly #writer: JsonlWriter;

  private constructor(file: string, verdicts: Map<string, Verdict>, writer: JsonlWriter) {
    this.file = file;
    this.#verdicts = verdicts;
    this.#writer = writer;
  }

  /** Creates the file or goes on after its last whole line. One journal per file at a time, for any number of judges. */
  static async open(file: string, options: VerdictJournalOptions = {}): Promise<VerdictJournal> {
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
  }

  /** Distinct steps with a verdict. */
  get size(): number {
    return this.#verdicts.size;
  }

  get(key: string): Verdict | undefined {
    return this.#verdicts.get(key);
  }

  /**
   * Resolves when the line is in the file, without secrets. A later verdict of the same key replaces an earlier one. Rejects with code
   * "RECORD" for what could not be read again, such as a score of NaN; nothing is written then.
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

  sync(): Promise<void> {
    return this.#writer.sync();
  }

  close(): Promise<void> {
    return this.#writer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
