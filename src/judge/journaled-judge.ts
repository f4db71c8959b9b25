/**
 * A judge that remembers: each verdict is in the journal before it is given, the same step is never asked about
 * twice (not even by two callers at once), and at most `concurrency` questions are open at a time.
 * A failed verdict is journaled too, and by default asked for again when the step comes back.
 */
import pLimit from "p-limit";
import { z } from "zod";
import { throwIfAborted } from "../async/map-concurrent.js";
import { untilAborted } from "../async/until-aborted.js";
import { parseOptions } from "../options/parse-options.js";
import type { StepView } from "../trajectory/step-views.js";
import { askJudge } from "./ask-judge.js";
import type { Judge, Verdict } from "./judge.js";
import { judgeSchema } from "./judge.js";
import { stepKey } from "./step-key.js";
import { VerdictJournal } from "./verdict-journal.js";

const optionsSchema = z.strictObject({
  concurrency: z.int().min(1).default(8),
  /** false takes a journaled failure as the verdict: a resumed run then repeats an interrupted one exactly. */
  retryFailed: z.boolean().default(true),
  /** See VerdictJournalOptions; for a journal that is passed open, its own holds. */
  syncEveryMs: z.int().min(0).optional(),
});

export type JournaledJudgeOptions = z.input<typeof optionsSchema>;

export interface JournaledJudge extends Judge, AsyncDisposable {
  readonly stats: {
    asked: number; // judgements made
    cached: number; // answered from the journal
    shared: number; // answered by a judgement that was already under way
    failed: number; // judgements that failed
  };
  /** Waits for judgements under way; closes the journal unless it was passed open. */
  close(): Promise<void>;
}

/** `journal`: a file, opened and owned by this judge, or an open journal that several judges share. */
export async function journaledJudge(
  judge: Judge,
  journal: string | VerdictJournal,
  options: JournaledJudgeOptions = {},
): Promise<JournaledJudge> {
  const { syncEveryMs, ...rest } = parseOptions(optionsSchema, options, "journaledJudge");
  parseOptions(z.strictObject({ judge: judgeSchema }), { judge }, "journaledJudge");
  const own = typeof journal === "string";
  const open = own
    ? await VerdictJournal.open(journal, syncEveryMs === undefined ? {} : { syncEveryMs })
    : journal;
  return new Journaled(judge, open, own, rest);
}

interface UnderWay {
  verdict: Promise<Verdict>;
  callers: number;
  abort: AbortController;
}

class Journaled implements JournaledJudge {
  readonly stats = { asked: 0, cached: 0, shared: 0, failed: 0 };
  readonly #judge: Judge;
  readonly #journal: VerdictJournal;
  readonly #own: boolean;
  readonly #retryFailed: boolean;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #underWay = new Map<string, UnderWay>();

  constructor(
    judge: Judge,
    journal: VerdictJournal,
    own: boolean,
    options: { concurrency: number; retryFailed: boolean },
  ) {
    this.#judge = judge;
    this.#journal = journal;
    this.#own = own;
    this.#retryFailed = options.retryFailed;
    this.#limit = pLimit(options.concurrency);
  }

  get id(): string {
    return this.#judge.id;
  }

  async judge(view: StepView, options: { signal?: AbortSignal } = {}): Promise<Verdict> {
    const { signal } = options;
    throwIfAborted(signal);
    const id = this.#judge.id;
    const key = stepKey(id, view);
    const known = this.#journal.get(key);
    if (known && (known.status === "ok" || !this.#retryFailed)) {
      this.stats.cached++;
      return known;
    }
    let running = this.#underWay.get(key);
    if (running) this.stats.shared++;
    else {
      running = this.#start(key, id, view);
      this.#underWay.set(key, running);
    }
    running.callers++;
    return await untilAborted(running.verdict, signal, () => {
      running.callers--;
      if (running.callers === 0) {
        this.#underWay.delete(key); // a later caller starts afresh
        running.abort.abort();
      }
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#underWay.values()].map(({ verdict }) => verdict));
    if (this.#own) await this.#journal.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(key: string, id: string, view: StepView): UnderWay {
    const abort = new AbortController();
    const verdict = this.#limit(async () => {
      throwIfAborted(abort.signal);
      const given = await askJudge(this.#judge, view, abort.signal);
      this.stats.asked++;
      if (given.status === "failed") this.stats.failed++;
      await this.#journal.add(key, id, view, given);
      return given;
    });
    const started: UnderWay = { verdict, callers: 0, abort };
    const done = () => {
      if (this.#underWay.get(key) === started) this.#underWay.delete(key);
    };
    verdict.then(done, done);
    return started;
  }
}
