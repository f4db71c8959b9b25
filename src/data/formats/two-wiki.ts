/** 2WikiMultiHopQA (Ho et al., 2020). Its released answers have no aliases; files that add them are read too. */
import { z } from "zod";
import { contextPassages, contextSchema } from "./context.js";
import { format, tags } from "./format.js";
import { goldAnswers, rowWithGold } from "./gold.js";

const schema = rowWithGold({
  _id: z.string().min(1).optional(),
  id: z.string().min(1).optional(),
  question: z.string().trim().min(1),
  answer: z.string().nullish(),
  answer_aliases: z.array(z.string()).nullish(),
  type: z.string().nullish(),
  context: contextSchema.optional(),
});

export const twoWiki = format<z.infer<typeof schema>>({
  name: "2wikimultihopqa",
  schema,
  recognises: (row) => ("_id" in row || "id" in row) && "evidences" in row,
  question: ({ type, ...row }, fallbackId) => ({
    id: row._id ?? row.id ?? fallbackId,
    question: row.question.trim(),
    answers: goldAnswers(row),
    ...tags({ type }),
  }),
  passages: ({ context }) => contextPassages(context),
});
