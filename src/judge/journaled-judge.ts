/**
 * A judge that remembers. Each verdict is in the journal before it is returned. The same step is never judged twice,
 * even when two callers ask at once, and at most `concurrency` judgments run at a time. A failed verdict is journaled
 * too; by default the step is judged again the next time.
 */

import pLimit from "p-limit";
import { z } from "zod";
import { throwIfAborted } from "../async/map-concurrent.js";
import { untilAborted } from "../async/until-aborted.js";
import { checkedMethods, ofArgumentsAsync } from "../errors/arguments.js";
import { parseOptions } from "../options/parse-options.js";
import type { StepView } from "../trajectory/step-views.js";
import { askJudge } from "./ask-judge.js";
import type { Judge, Verdict } from "./judge.js";
import { judgeSchema } from "./judge.js";
import { stepKey } from "./step-key.js";
import { VerdictJournal } from "./verdict-journal.js";

/** Options of {@link journaledJudge}. */
export interface JournaledJudgeOptions {
  /** Steps judged at once, at least 1. @default 8 */
  concurrency?: number | undefined;
  /** false takes a journaled failure as the verdict: a resumed run then repeats an interrupted one exactly. @default true */
  retryFailed?: boolean | undefined;
  /**
   * Longest time that a written line may wait for the disk, in milliseconds, at least 0; 0 = each verdict is on disk
   * before it is returned. Default: 1000. An open journal keeps its own setting.
   */
  syncEveryMs?: number | undefined;
}

export const journaledJudgeSchema = z.strictObject({
  concurrency: z.int().min(1).default(8),
  retryFailed: z.boolean().default(true),
  syncEveryMs: z.int().min(0).optional(),
});

/** Where the verdicts of a {@link JournaledJudge} came from. */
export interface JournaledJudgeStats {
  /** Judgments made by the wrapped judge. */
  asked: number;
  /** Verdicts found in the journal. */
  cached: number;
  /** Calls that waited for a judgment already under way. */
  shared: number;
  /** Judgments made that failed. */
  failed: number;
}

/** A judge whose verdicts are kept in a journal. */
export interface JournaledJudge extends Judge, AsyncDisposable {
  /** Counts since the judge was made. */
  readonly stats: JournaledJudgeStats;
  /** Waits for judgments under way, then closes the journal, unless an open journal was passed. */
  close(): Promise<void>;
}

/**
 * Wraps a judge so that its verdicts are kept in a journal and never asked for twice.
 *
 * @param journal A file, which this judge opens and owns, or an open journal, which several judges can share.
 * @throws SwirlError CONFIG for bad options or a file that another process has open, RECORD for a line that is not a
 * verdict.
 * @example
 * await using judge = await journaledJudge(new PromptedJudge({ policy }), "verdicts.jsonl");
 */
export async function journaledJudge(
  judge: Judge,
  journal: string | VerdictJournal,
  options: JournaledJudgeOptions = {},
): Promise<JournaledJudge> {
  return await ofArgumentsAsync("journaledJudge", "(judge, file or journal, options)", async () => {
    const { syncEveryMs, ...rest } = parseOptions(journaledJudgeSchema, options, "journaledJudge");
    parseOptions(z.strictObject({ judge: judgeSchema }), { judge }, "journaledJudge");
    const own = typeof journal === "string";
    const open = own
      ? await VerdictJournal.open(journal, syncEveryMs === undefined ? {} : { syncEveryMs })
      : journal;
    return new Journaled(judge, open, own, rest);
  });
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
        this.#underWay.delete(key); // a later caller starts a new judgment
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

checkedMethods(Journaled, { judge: "(step, options)" });
