/**
 * Majority vote (self-consistency, arXiv 2203.11171): the answer that most trajectories of a question agree on.
 * The task's matcher decides which answers agree, so "72" and "$72.00" are one answer.
 */
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { matchAnswer } from "../answers/match-answer.js";
import type { Trajectory } from "../trajectory/trajectory.js";

/** An answer, and the trajectories that agree on it. */
export interface AnswerVotes {
  /** The answer, in the words of the first trajectory that gave it. */
  answer: string;
  /** Samples that gave it, ascending. */
  samples: number[];
}

/** Groups the answers of one question: most votes first; of equal counts, the one given first. No answer, no vote. */
export async function countVotes(
  trajectories: readonly Trajectory[],
  matcher: AnswerMatcher,
  signal?: AbortSignal,
): Promise<AnswerVotes[]> {
  const groups: AnswerVotes[] = [];
  for (const { question, answer, sample } of trajectories) {
    if (answer === undefined) continue;
    const group = await groupOf(groups, question, answer, matcher, signal);
    if (group) group.samples.push(sample);
    else groups.push({ answer, samples: [sample] });
  }
  return groups.sort((a, b) => b.samples.length - a.samples.length);
}

async function groupOf(
  groups: readonly AnswerVotes[],
  question: string,
  answer: string,
  matcher: AnswerMatcher,
  signal: AbortSignal | undefined,
): Promise<AnswerVotes | undefined> {
  const same = groups.find((group) => group.answer.trim() === answer.trim());
  if (same) return same;
  for (const group of groups) {
    const verdict = await matchAnswer(matcher, { question, answer, gold: [group.answer] }, signal);
    if (verdict.status === "ok" && verdict.correct) return group;
  }
  return undefined;
}
