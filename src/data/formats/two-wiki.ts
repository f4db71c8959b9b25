/** 2WikiMultiHopQA (Ho et al., 2020). Its released answers have no aliases; files that add them are read too. */
import { z } from "zod";
import { contextPassages, contextSchema } from "./context.js";
import { distinct, format, tags } from "./format.js";

const schema = z.object({
  _id: z.string().min(1).optional(),
  id: z.string().min(1).optional(),
  question: z.string().trim().min(1),
  answer: z.string().optional(),
  answer_aliases: z.array(z.string()).optional(),
  type: z.string().optional(),
  context: contextSchema.optional(),
});

export const twoWiki = format<z.infer<typeof schema>>({
  name: "2wikimultihopqa",
  schema,
  recognises: (row) => "_id" in row && "evidences" in row,
  question: ({ _id, id, question, answer, answer_aliases = [], type }, fallbackId) => ({
    id: _id ?? id ?? fallbackId,
    question: question.trim(),
    answers: distinct([answer ?? "", ...answer_aliases]),
    ...tags({ type }),
  }),
  passages: ({ context }) => contextPassages(context),
});
