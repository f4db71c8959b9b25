/**
 * Your own questions: {"id"?, "question", "answers" or "answer", "tags"?} per line. The names that public datasets
 * give their answers are read as well (gold.ts). Without an id, file and line name the row.
 */
import { z } from "zod";
import { format } from "./format.js";
import { goldAnswers, rowWithGold } from "./gold.js";

const schema = rowWithGold({
  id: z.union([z.string().min(1), z.number()]).nullish(),
  question: z.string().trim().min(1),
  tags: z.record(z.string(), z.string()).nullish(),
});

export const jsonl = format<z.infer<typeof schema>>({
  name: "jsonl",
  schema,
  recognises: (row) => "question" in row,
  question: ({ id, tags, ...row }, fallbackId) => ({
    id: id === undefined || id === null ? fallbackId : String(id),
    question: row.question.trim(),
    answers: goldAnswers(row),
    ...(tags && { tags }),
  }),
});
