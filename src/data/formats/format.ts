/** How the rows of one dataset become questions and passages. */
import type { z } from "zod";
import type { Question } from "../../trajectory/question.js";
import type { Passage } from "../passage.js";

export interface Format<Row = unknown> {
  name: string;
  schema: z.ZodType<Row>;
  /** Whether a row with these fields looks like one of this dataset. */
  recognises: (row: Record<string, unknown>) => boolean;
  /** `fallbackId` names the row by its file and line, for datasets without ids. */
  question: (row: Row, fallbackId: string) => Question;
  /** The passages that come with a row, where the dataset has them. */
  passages?: (row: Row) => Passage[];
}

export function format<Row>(definition: Format<Row>): Format {
  return definition as unknown as Format;
}

/** Only those tags that the row has. */
export function tags(values: Record<string, string | number | undefined | null>): {
  tags?: Record<string, string>;
} {
  const known = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  if (known.length === 0) return {};
  return { tags: Object.fromEntries(known.map(([key, value]) => [key, String(value)])) };
}

/** Without repetitions and blanks at the ends, in order. */
export function distinct(answers: readonly string[]): string[] {
  return [...new Set(answers.map((answer) => answer.trim()).filter((answer) => answer !== ""))];
}
