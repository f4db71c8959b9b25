/** MuSiQue (Trivedi et al., 2022). The id begins with the number of hops: "3hop1__…". */
import { z } from "zod";
import { distinct, format, tags } from "./format.js";

const schema = z.object({
  id: z.string().min(1),
  question: z.string().trim().min(1),
  answer: z.string().optional(),
  answer_aliases: z.array(z.string()).default([]),
  answerable: z.boolean().optional(),
  paragraphs: z.array(z.object({ title: z.string(), paragraph_text: z.string() })).optional(),
});

export const musique = format<z.infer<typeof schema>>({
  name: "musique",
  schema,
  recognises: (row) => "paragraphs" in row || "question_decomposition" in row,
  question: ({ id, question, answer, answer_aliases, answerable }) => ({
    id,
    question: question.trim(),
    answers: distinct([answer ?? "", ...answer_aliases]),
    ...tags({
      hops: /^(\d)hop/.exec(id)?.[1],
      answerable: answerable === undefined ? undefined : String(answerable),
    }),
  }),
  passages: ({ paragraphs = [] }) =>
    paragraphs.map(({ title, paragraph_text }) => ({ title, text: paragraph_text.trim() })),
});
