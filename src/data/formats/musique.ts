/** MuSiQue (Trivedi et al., 2022). The id begins with the number of hops: "3hop1__…". */
import { z } from "zod";
import { format, tags } from "./format.js";
import { goldAnswers, rowWithGold } from "./gold.js";

const schema = rowWithGold({
  id: z.string().min(1),
  question: z.string().trim().min(1),
  answer: z.string().nullish(),
  answer_aliases: z.array(z.string()).nullish(),
  answerable: z.boolean().nullish(),
  paragraphs: z.array(z.object({ title: z.string(), paragraph_text: z.string() })).optional(),
});

export const musique = format<z.infer<typeof schema>>({
  name: "musique",
  schema,
  recognises: (row) => "paragraphs" in row || "question_decomposition" in row,
  question: ({ id, answerable, ...row }) => ({
    id,
    question: row.question.trim(),
    answers: goldAnswers(row),
    ...tags({ hops: /^(\d)hop/.exec(id)?.[1], answerable: answerable?.toString() }),
  }),
  passages: ({ paragraphs = [] }) =>
    paragraphs.map(({ title, paragraph_text }) => ({ title, text: paragraph_text.trim() })),
});
