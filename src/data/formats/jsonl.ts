/** Questions of your own: {"id"?, "question", "answers" or "answer"} a line. Without an id, file and line name the row. */
import { z } from "zod";
import { distinct, format } from "./format.js";

const schema = z.object({
  id: z.union([z.string().min(1), z.number()]).optional(),
  question: z.string().trim().min(1),
  answer: z.union([z.string(), z.number(), z.array(z.string())]).optional(),
  answers: z.array(z.union([z.string(), z.number()])).optional(),
  tags: z.record(z.string(), z.string()).optional(),
});

export const jsonl = format<z.infer<typeof schema>>({
  name: "jsonl",
  schema,
  recognises: (row) => "question" in row,
  question: ({ id, question, answer, answers, tags }, fallbackId) => ({
    id: id === undefined ? fallbackId : String(id),
    question: question.trim(),
    answers: distinct((answers ?? [answer ?? []].flat()).map(String)),
    ...(tags && { tags }),
  }),
});
