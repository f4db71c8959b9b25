/** A seed question with its accepted answers, as every dataset reader yields it. */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";

const questionSchema = z.object({
  id: z.string().min(1),
  question: z.string().regex(/\S/, "is empty"),
  answers: z.array(z.string()),
  tags: z.record(z.string(), z.string()).optional(),
});

/** A question to answer. */
export interface Question {
  /** Names the question. Not empty, and unique among the questions of a run. */
  id: string;
  /** The text that the policy sees. Not blank. */
  question: string;
  /** Accepted answers. Empty when unknown. */
  answers: string[];
  /** The dataset's own level, type, hops and the like. */
  tags?: Record<string, string>;
}

/**
 * Returns the question itself when it is valid. Without this check `answers: "72"` would be the two answers "7" and
 * "2".
 *
 * @throws SwirlError INPUT naming the question and the field.
 */
export function requireQuestion(value: unknown, stage: string): Question {
  const parsed = questionSchema.safeParse(value);
  if (parsed.success) return value as Question;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join(".");
  const { id } = (value ?? {}) as { id?: unknown };
  const which = typeof id === "string" && id !== "" ? `question ${JSON.stringify(id)}` : "a question";
  throw new SwirlError("INPUT", `${stage}: ${which}${field && `: ${field}`}: ${message}`, {
    remedy: 'a question is { id: "q1", question: "…", answers: ["72"] }; answers is [] where none is known',
    details: { field: field || "questions" },
  });
}

/** @throws SwirlError INPUT when a stage compares answers and no question has any. */
export function requireGold(questions: readonly Question[], stage: string): void {
  if (questions.length === 0 || questions.some(({ answers }) => answers.some((answer) => /\S/.test(answer))))
    return;
  throw new SwirlError(
    "INPUT",
    `${stage}: none of ${questions.length} questions has a gold answer to compare with`,
    {
      remedy: 'give each question its "answers": see docs/data.md for the names that a data file may use',
      details: { field: "answers" },
    },
  );
}
