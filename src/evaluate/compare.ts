/**
 * Compares two evaluations question by question. Pure.
 *
 * Only questions that both evaluations could check count, so the accuracies here can differ from those of each
 * evaluation alone. Sets of questions that do not pair up are refused: the difference of two accuracies over different
 * questions is mostly a difference of questions.
 */
import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { pairedBootstrap, wilsonInterval } from "../statistics/interval.js";
import type { EvaluationRecord } from "./evaluation-record.js";
import type { Estimate } from "./summary.js";

/** What a comparison reads of an {@link EvaluationRecord}. */
export type ComparedRecord = Pick<EvaluationRecord, "id" | "matcher" | "correct"> & {
  /** The text of the question, where two records of one id must have the same. */
  trajectory: {
    /** The text of the question. */
    question: string;
  };
};

/** Options of {@link compareEvaluations}. */
export interface CompareOptions {
  /**
   * Compares the questions that are in both evaluations, and leaves out the others, instead of refusing.
   * @default false
   */
  common?: boolean | undefined;
  /**
   * Seed of the bootstrap, an integer.
   * @default 0
   */
  seed?: number | undefined;
}

/** Result of {@link compareEvaluations}. */
export interface Comparison {
  /** Questions that both evaluations could check: what everything below is computed over. */
  questions: number;
  /** Accuracy of the first evaluation on these questions. */
  before: Estimate;
  /** Accuracy of the second evaluation on these questions. */
  after: Estimate;
  /** Accuracy after − accuracy before, with the paired interval of {@link pairedBootstrap}. */
  difference: Estimate;
  /** Ids of the questions that were wrong and are right, in the order of the first evaluation. */
  gained: string[];
  /** Ids of the questions that were right and are wrong. */
  lost: string[];
  /** Questions right both times. */
  bothRight: number;
  /** Questions wrong both times. */
  bothWrong: number;
  /** Questions in both evaluations that one of them could not check. */
  unchecked: number;
  /** Questions in the first evaluation only. 0 unless `common` is set. */
  onlyBefore: number;
  /** Questions in the second evaluation only. 0 unless `common` is set. */
  onlyAfter: number;
}

const compareSchema = z.strictObject({
  common: z.boolean().default(false),
  seed: z.int().default(0),
});

/**
 * Pairs two evaluations by question id, and compares them.
 *
 * @throws SwirlError INPUT when an id appears twice in one evaluation, when the sets of questions differ (unless
 * `common` is set), when an id has another question in the other evaluation, when the answers were checked by other
 * matchers, or when no question could be checked both times.
 * @example
 * const { difference, gained, lost } = compareEvaluations(before.records, after.records);
 */
export function compareEvaluations(
  before: readonly ComparedRecord[],
  after: readonly ComparedRecord[],
  options: CompareOptions = {},
): Comparison {
  return ofArguments("compareEvaluations", "(before: records, after: records, options)", () => {
    const { common, seed } = parseOptions(compareSchema, options, "compareEvaluations");
    const first = byId(before, "first");
    const second = byId(after, "second");
    const shared = [...first.keys()].filter((id) => second.has(id));
    requirePairs(first, second, shared, common);
    const checked = shared
      .map((id) => ({ id, was: first.get(id)!.correct, is: second.get(id)!.correct }))
      .filter(({ was, is }) => was !== null && is !== null);
    if (checked.length === 0)
      throw new SwirlError(
        "INPUT",
        `none of ${shared.length} questions could be checked in both evaluations`,
        {
          remedy: "evaluate on questions with accepted answers",
        },
      );
    const idsOf = (was: boolean, is: boolean) =>
      checked.filter((pair) => pair.was === was && pair.is === is).map(({ id }) => id);
    const scores = (which: "was" | "is") => checked.map((pair) => Number(pair[which]));
    const { difference, low, high } = pairedBootstrap(scores("was"), scores("is"), { seed });
    return {
      questions: checked.length,
      before: share(scores("was")),
      after: share(scores("is")),
      difference: { value: difference, low, high, n: checked.length },
      gained: idsOf(false, true),
      lost: idsOf(true, false),
      bothRight: idsOf(true, true).length,
      bothWrong: idsOf(false, false).length,
      unchecked: shared.length - checked.length,
      onlyBefore: first.size - shared.length,
      onlyAfter: second.size - shared.length,
    };
  });
}

function byId(records: readonly ComparedRecord[], which: string): Map<string, ComparedRecord> {
  const map = new Map<string, ComparedRecord>();
  for (const record of records) {
    if (map.has(record.id))
      throw new SwirlError("INPUT", `question ${record.id} appears twice in the ${which} evaluation`, {
        remedy: "an evaluation has one record per question: evaluate again into a new file",
        details: { field: "id" },
      });
    map.set(record.id, record);
  }
  if (map.size === 0)
    throw new SwirlError("INPUT", `the ${which} evaluation has no questions`, {
      remedy: "run the evaluation first, or name another file",
    });
  return map;
}

function requirePairs(
  first: ReadonlyMap<string, ComparedRecord>,
  second: ReadonlyMap<string, ComparedRecord>,
  shared: readonly string[],
  common: boolean,
): void {
  const [onlyFirst, onlySecond] = [first.size - shared.length, second.size - shared.length];
  const numbers = `the first evaluation has ${first.size} questions, the second ${second.size}, and ${shared.length} are in both`;
  if (shared.length === 0)
    throw new SwirlError("INPUT", `the evaluations do not pair up: ${numbers}`, {
      remedy: "compare evaluations of the same questions",
      details: { onlyFirst, onlySecond, shared: 0 },
    });
  if (!common && onlyFirst + onlySecond > 0)
    throw new SwirlError("INPUT", `the evaluations do not pair up: ${numbers}`, {
      remedy: `evaluate both on the same questions, or compare the ${shared.length} with common: true (--common)`,
      details: { onlyFirst, onlySecond, shared: shared.length },
    });
  const other = shared.filter(
    (id) => first.get(id)!.trajectory.question !== second.get(id)!.trajectory.question,
  );
  if (other.length > 0)
    throw new SwirlError(
      "INPUT",
      `${other.length} of ${shared.length} ids name another question in the second evaluation: ${sample(other)}`,
      {
        remedy: "these are different datasets: compare evaluations of the same one",
        details: { field: "id" },
      },
    );
  const matchers = (records: ReadonlyMap<string, ComparedRecord>) =>
    [...new Set(shared.map((id) => records.get(id)!.matcher))].sort().join(", ");
  if (matchers(first) !== matchers(second))
    throw new SwirlError(
      "INPUT",
      `the answers were checked by other matchers: ${matchers(first)} and ${matchers(second)}`,
      { remedy: "evaluate both with the same matcher", details: { field: "matcher" } },
    );
}

function share(scores: readonly number[]): Estimate {
  const right = scores.filter((score) => score === 1).length;
  return { value: right / scores.length, n: scores.length, ...wilsonInterval(right, scores.length) };
}

/** The first few ids, for a message. */
function sample(ids: readonly string[]): string {
  return `${ids.slice(0, 3).join(", ")}${ids.length > 3 ? ", …" : ""}`;
}
