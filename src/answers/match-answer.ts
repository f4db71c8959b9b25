/**
 * Runs a matcher on a trajectory's final answer. Every matcher's verdict passes through here. A matcher that throws is
 * a failed check, not a crash. A matcher may return an AnswerVerdict, true or false; anything else is a failed check
 * whose error shows the expected shape.
 */

import { inspect } from "node:util";
import { z } from "zod";
import { abortedError, throwIfAborted } from "../async/map-concurrent.js";
import { untilAborted } from "../async/until-aborted.js";
import { messageOf } from "../errors/message-of.js";
import { redactText } from "../secrets/redact.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { AnswerMatcher, AnswerVerdict } from "./answer-matcher.js";

export const matcherSchema = z.custom<AnswerMatcher>(
  (value) => {
    const { match, id } = (value ?? {}) as Partial<AnswerMatcher>;
    return typeof match === "function" && typeof id === "string" && id !== "";
  },
  {
    message:
      "must be an AnswerMatcher (exactMatcher(), numericMatcher(), an outcome judge, or { id, match })",
  },
);

const verdictSchema = z.union([
  z.boolean().transform((correct) => ({ status: "ok" as const, correct })),
  z.object({ status: z.literal("ok"), correct: z.boolean() }),
  z.object({ status: z.literal("failed"), error: z.string() }),
]);

/**
 * Checks the final answer of a trajectory. The trajectory must have an answer.
 *
 * An error that the matcher throws, and a result of another shape, become a failed check.
 *
 * @param trajectory Its question, answer and accepted answers.
 * @throws SwirlError ABORTED at once when the signal fires, even when the matcher ignores it.
 */
export async function matchAnswer(
  matcher: AnswerMatcher,
  trajectory: Pick<Trajectory, "question" | "answer" | "gold">,
  signal?: AbortSignal,
): Promise<AnswerVerdict> {
  throwIfAborted(signal);
  try {
    const { question, gold } = trajectory;
    const asked = { question, answer: trajectory.answer!, gold };
    const given = matcher.match(asked, signal ? { signal } : {});
    const value: unknown = await untilAborted(Promise.resolve(given), signal);
    const verdict = verdictSchema.safeParse(value);
    if (verdict.success) return verdict.data;
    return {
      status: "failed",
      error: `the matcher ${matcher.id} gave ${redactText(inspect(value)).slice(0, 80)}: give true, false, { status: "ok", correct: true } or { status: "failed", error: "why" }`,
    };
  } catch (error) {
    if (signal?.aborted) throw abortedError(signal);
    return { status: "failed", error: redactText(messageOf(error)) };
  }
}
