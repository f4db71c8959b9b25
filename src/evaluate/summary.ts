/**
 * What an evaluation says in numbers. Pure.
 *
 * Shares have Wilson intervals over questions. The mean process label is the share of GOOD among judged steps; steps of
 * one trajectory are not independent, so its interval is that of a share over groups. No interval has width 0.
 */

import {
  groupedShareInterval,
  type Interval,
  pairedBootstrap,
  wilsonInterval,
} from "../statistics/interval.js";
import type { EvaluationRecord } from "./evaluation-record.js";

export interface Estimate extends Interval {
  value: number;
  n: number; // what it was computed over
}

export interface EvaluationSummary {
  /** Questions in all, and those whose answer could be checked: `accuracy.n`. */
  questions: number;
  undecided: Record<string, number>;
  accuracy: Estimate;
  exact: Estimate;
  numeric: Estimate;
  f1: Estimate;
  /** Absent without a judge. */
  processLabel?: Estimate & { steps: number; failedVerdicts: number };
  toolCallsPerQuestion: number;
  stepsPerQuestion: number;
  /** How trajectories ended; "answer (wrong)" beside "answer (right)". */
  ends: Record<string, number>;
  /** Malformed actions by reason. */
  malformed: Record<string, number>;
}

export function summarize(records: readonly EvaluationRecord[]): EvaluationSummary {
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
}

/** after − before on the questions that both decided, with the interval of pairedBootstrap; undefined when there are none. */
export function improvement(
  before: readonly EvaluationRecord[],
  after: readonly EvaluationRecord[],
  seed = 0,
): { accuracy: Estimate } | undefined {
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
}

function processLabel(records: readonly EvaluationRecord[]): NonNullable<EvaluationSummary["processLabel"]> {
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
