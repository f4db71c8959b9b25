/** Why a filter drops a trajectory. Pure. Every dropped trajectory has exactly one reason. */
import type { AnswerVerdict } from "../answers/answer-matcher.js";
import type { Verdict } from "../judge/judge.js";
import type { Trajectory } from "../trajectory/trajectory.js";

export const FILTER_KINDS = ["none", "process", "outcome", "both"] as const satisfies readonly FilterKind[];
/**
 * Which trajectories a filter keeps.
 * - "none": all that did not fail.
 * - "process": those whose every step was judged good (the paper's best).
 * - "outcome": those whose answer is accepted.
 * - "both": those that "process" and "outcome" keep.
 */
export type FilterKind = "none" | "process" | "outcome" | "both";

export const FILTER_REASONS = [
  "rollout failed",
  "call judged BAD",
  "answer judged BAD",
  "malformed action judged BAD",
  "judge failed",
  "no answer",
  "no gold answer",
  "wrong answer",
  "answer check failed",
] as const satisfies readonly FilterReason[];

/** Why a filter drops a trajectory. */
export type FilterReason =
  | "rollout failed"
  | "call judged BAD"
  | "answer judged BAD"
  | "malformed action judged BAD"
  | "judge failed"
  | "no answer"
  | "no gold answer"
  | "wrong answer"
  | "answer check failed";

/**
 * Process: every step must be good. The first BAD step names the reason; a failed judgment names it only when no step
 * is BAD, since then the step may be good or bad.
 */
export function processReason(
  trajectory: Trajectory,
  verdicts: readonly Verdict[],
): FilterReason | undefined {
  const bad = verdicts.findIndex((verdict) => verdict.status === "ok" && !verdict.good);
  if (bad >= 0) {
    const kind = trajectory.steps[bad]!.kind;
    return kind === "malformed"
      ? "malformed action judged BAD"
      : kind === "call"
        ? "call judged BAD"
        : "answer judged BAD";
  }
  return verdicts.some((verdict) => verdict.status === "failed") ? "judge failed" : undefined;
}

/** Outcome: the final answer must match an accepted one. `verdict` is undefined where there was nothing to compare. */
export function outcomeReason(
  trajectory: Trajectory,
  verdict: AnswerVerdict | undefined,
): FilterReason | undefined {
  if (trajectory.answer === undefined) return "no answer";
  if (trajectory.gold.length === 0) return "no gold answer";
  if (!verdict || verdict.status === "failed") return "answer check failed";
  return verdict.correct ? undefined : "wrong answer";
}
