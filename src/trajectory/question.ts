/** A seed question with its accepted answers, as every dataset reader yields it. */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";

const questionSchema = z.object({
  id: z.string().min(1),
  question: z.string().regex(/\S/, "is empty"),
  /** Accepted answers, each a text; empty when unknown. */
  answers: z.array(z.string()),
  /** The dataset's own level, type, hops and the like. */
  tags: z.record(z.string(), z.string()).optional(),
});

export interface Question {
  id: string;
  question: string;
  answers: string[]; // empty when unknown
  /** The dataset's own level, type, hops and the like. */
  tags?: Record<string, string>;
}

/**
 * The question as it is, once it is one. Throws code "INPUT" naming the field: `answers: "72"` would otherwise be the
 * two answers "7" and "2".
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

/** @throws SwirlError INPUT where a stage compares answers and not one question has any. */
export function requireGold(questions: readonly Question[], stage: string): void {
  if (questions.length === 0 || questions.some(({ answers }) => answers.length > 0)) return;
  throw new SwirlError(
    "INPUT",
    `${stage}: none of ${questions.length} questions has a gold answer to compare with`,
    {
      remedy: 'give each question its "answers": see docs/data.md for the names that a data file may use',
      details: { field: "answers" },
    },
  );
}
