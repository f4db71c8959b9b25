/**
 * Selects trajectories for training (SWiRL, section 3.1): none | process | outcome | both, each a selection over the
 * same pool.
 *
 * The result does not depend on the order of the pool: it is sorted by question and sample, and `equalN` draws by a
 * hash of (seed, trajectory id). Two filters with the same seed therefore share as many trajectories as possible.
 */
import { z } from "zod";
import type { AnswerMatcher, AnswerVerdict } from "../answers/answer-matcher.js";
import { matchAnswer, matcherSchema } from "../answers/match-answer.js";
import { mapConcurrent } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Verdict } from "../judge/judge.js";
import { asVerdict, VERDICT_SHAPE } from "../judge/judged-trajectory.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { deriveSeed } from "../random/derive-seed.js";
import { requireTrajectory, type Trajectory } from "../trajectory/trajectory.js";
import {
  FILTER_KINDS,
  type FilterKind,
  type FilterReason,
  outcomeReason,
  processReason,
} from "./filter-reasons.js";
import { countInto, emptyTable, type FilterTable } from "./filter-table.js";

/** A trajectory with a verdict of each step, as {@link judgeSteps} yields it, or without verdicts. */
export interface FilterItem {
  /** The trajectory. */
  trajectory: Trajectory;
  /** One verdict per step, in order. The filters "process" and "both" need them. */
  verdicts?: readonly Verdict[];
}

/** Progress of {@link filterTrajectories}. */
export interface FilterProgress {
  /** Name of the stage. */
  stage: "filter";
  /** Trajectories checked. */
  done: number;
  /** Trajectories in all. Undefined when the input is not an array. */
  total: number | undefined;
  /** Trajectories kept so far, before the subsample. */
  kept: number;
}

/** Options of {@link filterTrajectories}. */
export interface FilterOptions {
  /** Which trajectories are kept. The paper's best: "process". */
  kind: FilterKind;
  /** Compares answers with the accepted ones. Required for "outcome" and "both"; otherwise it only fills the table. */
  outcome?: AnswerMatcher | undefined;
  /** Keep exactly this many, so that filters can be compared at equal size. At least 1. Default: keep all. */
  equalN?: number | undefined;
  /** Seed of the subsample, an integer. Only together with `equalN`. Default: 0. */
  seed?: number | undefined;
  /**
   * Answer checks in flight, at least 1. (An outcome judge is a model.)
   * @default 16
   */
  concurrency?: number | undefined;
  /** Ends the run with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called after each trajectory. */
  onProgress?: ((event: FilterProgress) => unknown) | undefined;
}

export const filterSchema = z.strictObject({
  kind: z.enum(FILTER_KINDS),
  outcome: matcherSchema.optional(),
  equalN: z.int().min(1).optional(),
  seed: z.int().optional(),
  concurrency: z.int().min(1).default(16),
  signal: signalSchema.optional(),
  onProgress: callback<FilterProgress>("onProgress").optional(),
});

/** Result of {@link filterTrajectories}. */
export interface FilterResult {
  /** The kept trajectories, sorted by question id and sample. */
  kept: Trajectory[];
  /** What every filter would keep of the same pool, and why it drops the rest. */
  table: FilterTable;
}

/**
 * Selects trajectories for training. The result does not depend on the order of the pool.
 *
 * @throws SwirlError CONFIG for options that contradict each other, RECORD for a trajectory without the verdicts that
 * the filter needs, INPUT when fewer than `equalN` are left, ABORTED.
 * @example
 * const judged = judgeSteps(readTrajectories("trajectories.jsonl"), { judge });
 * const { kept, table } = await filterTrajectories(judged, { kind: "process" });
 * console.log(formatFilterTable(table));
 */
export async function filterTrajectories(
  judged: Iterable<FilterItem> | AsyncIterable<FilterItem>,
  options: FilterOptions,
): Promise<FilterResult> {
  const { kind, outcome, equalN, seed, concurrency, signal, onProgress } = parseOptions(
    filterSchema,
    options,
    "filter",
  );
  const needsOutcome = kind === "outcome" || kind === "both";
  if (needsOutcome && !outcome)
    throw configError("outcome", `the ${kind} filter compares answers`, "give a matcher or judge");
  if (seed !== undefined && equalN === undefined) {
    throw configError(
      "equalN",
      "seed selects the subsample of equalN, which is not given",
      "give equalN as well, or leave seed out",
    );
  }

  const total = Array.isArray(judged) ? judged.length : undefined;
  const table = emptyTable(kind);
  const kept: Trajectory[] = [];
  const checked = mapConcurrent(
    judged,
    concurrency,
    (item, inner) => reasonsOf(item, kind, outcome, inner),
    signal,
  );
  for await (const { trajectory, reasons } of checked) {
    countInto(table, reasons);
    if (reasons[kind] === "kept") kept.push(trajectory);
    onProgress?.({ stage: "filter", done: table.pool, total, kept: kept.length });
  }
  const applied = table.rows.find((row) => row.kind === kind);
  if (needsOutcome && table.pool > 0 && applied?.dropped["no gold answer"] === table.pool) {
    throw configError(
      "outcome",
      "no trajectory has a gold answer to compare with",
      'use kind: "process", or questions with answers',
    );
  }
  const selected = equalN === undefined ? kept : subsample(kept, equalN, seed ?? 0);
  selected.sort(byQuestionAndSample);
  table.handedOn = selected.length;
  return { kept: selected, table };
}

/** For each filter that can be computed from what is given: why it drops the item, or "kept". */
async function reasonsOf(
  item: FilterItem,
  kind: FilterKind,
  matcher: AnswerMatcher | undefined,
  signal: AbortSignal,
): Promise<{ trajectory: Trajectory; reasons: Partial<Record<FilterKind, FilterReason | "kept">> }> {
  const { trajectory, verdicts } = requireItem(item);
  const failed: FilterReason | undefined = trajectory.end === "failed" ? "rollout failed" : undefined;
  if (!failed) requireVerdicts(trajectory, verdicts, kind);
  const reasons: Partial<Record<FilterKind, FilterReason | "kept">> = { none: failed ?? "kept" };
  const isJudged = verdicts !== undefined || failed !== undefined;
  const byProcess = failed ?? (verdicts && processReason(trajectory, verdicts));
  if (isJudged) reasons.process = byProcess ?? "kept";
  if (matcher) {
    let answer: AnswerVerdict | undefined;
    if (!failed && trajectory.answer !== undefined && trajectory.gold.length > 0) {
      answer = await matchAnswer(matcher, trajectory, signal);
    }
    const byOutcome = failed ?? outcomeReason(trajectory, answer);
    reasons.outcome = byOutcome ?? "kept";
    if (isJudged) reasons.both = byProcess ?? byOutcome ?? "kept";
  }
  return { trajectory, reasons };
}

/** The item with normalized verdicts. A verdict of another shape would be neither good nor bad, so its step would pass. */
function requireItem(item: FilterItem): FilterItem {
  const given = (item as Partial<FilterItem> | null | undefined)?.trajectory;
  if (given === undefined) {
    throw new SwirlError("RECORD", "filter: an item without a trajectory", {
      remedy:
        "pass { trajectory, verdicts }, as judgeSteps yields them; { trajectory } for kind none or outcome",
      details: { field: "trajectory" },
    });
  }
  const trajectory = requireTrajectory(given, "filter");
  if (item.verdicts === undefined) return { trajectory };
  if (!Array.isArray(item.verdicts)) throw noVerdict(trajectory, "verdicts", item.verdicts);
  const verdicts = item.verdicts.map((verdict, i) => {
    const read = asVerdict(verdict);
    if (read === undefined) throw noVerdict(trajectory, `verdicts.${i}`, verdict);
    return read;
  });
  return { trajectory, verdicts };
}

function noVerdict(trajectory: Trajectory, field: string, value: unknown): SwirlError {
  const shown = JSON.stringify(value)?.slice(0, 80);
  return new SwirlError(
    "RECORD",
    `filter: trajectory ${trajectory.id}: ${field}: ${shown} is not a verdict`,
    {
      remedy: `a verdict is ${VERDICT_SHAPE}; judgeSteps yields one for every step`,
      details: { field, trajectory: trajectory.id },
    },
  );
}

function requireVerdicts(
  trajectory: Trajectory,
  verdicts: readonly Verdict[] | undefined,
  kind: FilterKind,
): void {
  if (verdicts === undefined && (kind === "none" || kind === "outcome")) return;
  if (verdicts?.length === trajectory.steps.length) return;
  throw new SwirlError(
    "RECORD",
    `trajectory ${trajectory.id}: ${verdicts?.length ?? 0} verdicts for ${trajectory.steps.length} steps`,
    {
      remedy: `the ${kind} filter needs a verdict of every step: run judgeSteps over the same file first`,
      details: { trajectory: trajectory.id },
    },
  );
}

/** The `count` trajectories with the smallest hash of (seed, id). */
function subsample(kept: Trajectory[], count: number, seed: number): Trajectory[] {
  if (kept.length < count) {
    throw new SwirlError(
      "INPUT",
      `equalN: the filter kept ${kept.length} trajectories, fewer than ${count}`,
      {
        remedy: "lower equalN to the smallest filter's number, or synthesize more",
        details: { field: "equalN" },
      },
    );
  }
  return kept
    .map((trajectory) => ({ trajectory, draw: deriveSeed(seed, trajectory.id) }))
    .sort((a, b) => a.draw - b.draw || byQuestionAndSample(a.trajectory, b.trajectory))
    .slice(0, count)
    .map(({ trajectory }) => trajectory);
}

function byQuestionAndSample(a: Trajectory, b: Trajectory): number {
  return a.questionId < b.questionId ? -1 : a.questionId > b.questionId ? 1 : a.sample - b.sample;
}

function configError(field: string, what: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `filter: ${field}: ${what}`, { remedy, details: { field } });
}
