/**
 * Summarizes evaluation records as rates with intervals. Pure.
 *
 * Rates over questions have Wilson intervals. The mean process label is the share of GOOD among judged steps. Steps of
 * one trajectory are not independent, so its interval is that of a share over groups. No interval has width 0.
 */

import { ofArguments } from "../errors/arguments.js";
import {
  groupedShareInterval,
  type Interval,
  pairedBootstrap,
  wilsonInterval,
} from "../statistics/interval.js";
import type { EvaluationRecord } from "./evaluation-record.js";

/** An estimated rate or mean with its 95 % confidence interval. */
export interface Estimate extends Interval {
  /** The estimate. NaN when `n` is 0. */
  value: number;
  /** Number of questions that it was computed over. */
  n: number;
}

/** Share of GOOD among judged steps. `n` counts the questions with at least one judged step. */
export interface ProcessLabel extends Estimate {
  /** Steps that were judged. */
  steps: number;
  /** Steps whose judgment failed. They are excluded from `value`. */
  failedVerdicts: number;
}

/** Difference between two evaluations of the same questions. */
export interface Improvement {
  /** Accuracy after − accuracy before, -1 to 1. */
  accuracy: Estimate;
}

/** Results of an evaluation. Rates are over the questions whose answer could be checked: `accuracy.n`. */
export interface EvaluationSummary {
  /** Questions in all, including those that could not be checked. */
  questions: number;
  /** Questions that could not be checked, by reason. */
  undecided: Record<string, number>;
  /** Share of answers that the matcher accepts. */
  accuracy: Estimate;
  /** Share of answers that match exactly after normalization. */
  exact: Estimate;
  /** Share of answers that are the accepted number. */
  numeric: Estimate;
  /** Mean word overlap F1, 0 to 1. */
  f1: Estimate;
  /** Mean process label. Absent without a judge. */
  processLabel?: ProcessLabel;
  /** Mean number of executed tool calls. */
  toolCallsPerQuestion: number;
  /** Mean number of actions. */
  stepsPerQuestion: number;
  /** Trajectories by how they ended. "answer" is split into "answer (right)", "(wrong)" and "(unchecked)". */
  ends: Record<string, number>;
  /** Malformed actions by reason. */
  malformed: Record<string, number>;
}

/** Summarizes evaluation records. For no records the rates are NaN with the interval [0, 1]. Pure. */
export function summarize(records: readonly EvaluationRecord[]): EvaluationSummary {
  return ofArguments("summarize", "evaluation records", () => {
    const decided = records.filter((record) => record.correct !== null);
    const share = (is: (record: EvaluationRecord) => boolean): Estimate => {
      const count = decided.filter(is).length;
      const value = decided.length === 0 ? Number.NaN : count / decided.length;
      return { value, n: decided.length, ...wilsonInterval(count, decided.length) };
    };
    const overlap = groupedShareInterval(decided.map(({ f1 }) => ({ successes: f1, trials: 1 })));
    const summary: EvaluationSummary = {
      questions: records.length,
      undecided: countBy(records.flatMap((record) => record.undecided ?? [])),
      accuracy: share((record) => record.correct === true),
      exact: share((record) => record.exact),
      numeric: share((record) => record.numeric),
      f1: { value: overlap.share, n: decided.length, low: overlap.low, high: overlap.high },
      toolCallsPerQuestion: mean(records.map((record) => record.toolCalls)),
      stepsPerQuestion: mean(records.map((record) => record.trajectory.steps.length)),
      ends: countBy(records.map(endOf)),
      malformed: countBy(
        records.flatMap((record) => record.trajectory.steps.flatMap((step) => step.problem ?? [])),
      ),
    };
    const judged = records.filter((record) => record.verdicts !== undefined);
    if (judged.length > 0) summary.processLabel = processLabel(judged);
    return summary;
  });
}

/**
 * Difference in accuracy, after − before, over the questions that both evaluations could check, with the interval of
 * {@link pairedBootstrap}. Undefined when there are no such questions.
 *
 * @param seed Seed of the bootstrap.
 */
export function improvement(
  before: readonly EvaluationRecord[],
  after: readonly EvaluationRecord[],
  seed = 0,
): Improvement | undefined {
  return ofArguments("improvement", "(before: evaluation records, after: evaluation records)", () => {
    const later = new Map(after.map((record) => [record.id, record]));
    const pairs = before.flatMap((record) => {
      const other = later.get(record.id);
      return record.correct === null || !other || other.correct === null
        ? []
        : [[record.correct, other.correct]];
    });
    if (pairs.length === 0) return undefined;
    const scores = (column: number) => pairs.map((pair) => Number(pair[column]));
    const { difference, low, high } = pairedBootstrap(scores(0), scores(1), { seed });
    return { accuracy: { value: difference, low, high, n: pairs.length } };
  });
}

function processLabel(records: readonly EvaluationRecord[]): ProcessLabel {
  const groups = records.map(({ verdicts }) => {
    const ok = verdicts!.flatMap((verdict) => (verdict.status === "ok" ? [verdict.good] : []));
    return { successes: ok.filter(Boolean).length, trials: ok.length, failed: verdicts!.length - ok.length };
  });
  const { share, low, high } = groupedShareInterval(groups);
  return {
    value: share,
    n: groups.filter((group) => group.trials > 0).length,
    steps: groups.reduce((sum, group) => sum + group.trials, 0),
    failedVerdicts: groups.reduce((sum, group) => sum + group.failed, 0),
    low,
    high,
  };
}

function endOf({ trajectory, correct }: EvaluationRecord): string {
  if (trajectory.end !== "answer") return trajectory.end;
  return correct === null ? "answer (unchecked)" : correct ? "answer (right)" : "answer (wrong)";
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
