/** One question's rollouts as a record: the chosen answer compared with the accepted ones, its steps judged. */
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { bestOver, exactMatch, f1, numericEqual } from "../answers/index.js";
import { matchAnswer } from "../answers/match-answer.js";
import { askJudge } from "../judge/ask-judge.js";
import type { Judge } from "../judge/judge.js";
import { redact } from "../secrets/redact.js";
import { stepViews } from "../trajectory/step-views.js";
import type { VoteResult } from "../voting/vote.js";
import { EVALUATION_VERSION, type EvaluationRecord } from "./evaluation-record.js";

/** How the answer of a question is chosen among its rollouts. */
export interface Choice {
  votes: number;
  select?: "majority" | "judge" | undefined;
}

/** An answer that cannot be checked leaves `correct` null, with the reason. @throws SwirlError ABORTED. */
export async function checkTrajectory(
  { chosen: trajectory, votes, verdicts, undecided: unselected }: VoteResult,
  choice: Choice,
  matcher: AnswerMatcher,
  judge: Judge | undefined,
  signal: AbortSignal,
): Promise<EvaluationRecord> {
  const { answer, gold } = trajectory;
  const against = (score: (gold: string) => number | boolean) =>
    answer === undefined ? 0 : bestOver(gold, score);
  const record: EvaluationRecord = {
    version: EVALUATION_VERSION,
    id: trajectory.questionId,
    matcher: matcher.id,
    correct: false,
    exact: against((accepted) => exactMatch(answer!, accepted)) === 1,
    f1: against((accepted) => f1(answer!, accepted)),
    numeric: against((accepted) => numericEqual(answer!, accepted)) === 1,
    toolCalls: trajectory.steps.filter((step) => step.kind === "call" && step.observation).length,
    ...(choice.votes > 1 && {
      votes: votes.map(({ answer, samples }) => ({ answer, count: samples.length })),
      sampled: choice.votes,
      select: choice.select ?? "majority",
    }),
    trajectory,
  };
  const undecided = (why: NonNullable<EvaluationRecord["undecided"]>, error?: string) => {
    record.correct = null;
    record.undecided = why;
    if (error !== undefined) record.error = error;
  };
  if (trajectory.end === "failed") undecided("rollout failed", trajectory.error);
  else if (unselected !== undefined) undecided("selection failed", unselected);
  else if (gold.length === 0) undecided("no gold answer");
  else if (answer !== undefined) {
    const verdict = await matchAnswer(matcher, trajectory, signal);
    if (verdict.status === "ok") record.correct = verdict.correct;
    else undecided("answer check failed", verdict.error);
  }
  if (judge) {
    record.judge = judge.id;
    record.verdicts = redact(
      verdicts ?? (await Promise.all(stepViews(trajectory).map((view) => askJudge(judge, view, signal)))),
    );
  }
  return record;
}
