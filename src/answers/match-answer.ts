/** Runs a matcher on a trajectory's final answer. A matcher that throws is a check that failed, not a crash. */
import { z } from "zod";
import { abortedError } from "../async/map-concurrent.js";
import { redactText } from "../secrets/redact.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { AnswerMatcher, AnswerVerdict } from "./answer-matcher.js";

export const matcherSchema = z.custom<AnswerMatcher>(
  (value) => typeof (value as AnswerMatcher | undefined)?.match === "function",
  {
    message:
      "must be an AnswerMatcher (exactMatcher(), numericMatcher(), an outcome judge, or { id, match })",
  },
);

export async function matchAnswer(
  matcher: AnswerMatcher,
  trajectory: Pick<Trajectory, "question" | "answer" | "gold">,
  signal?: AbortSignal,
): Promise<AnswerVerdict> {
  try {
    const { question, gold } = trajectory;
    return await matcher.match({ question, answer: trajectory.answer!, gold }, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw abortedError(signal);
    return { status: "failed", error: redactText(error instanceof Error ? error.message : String(error)) };
  }
}
