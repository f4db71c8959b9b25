/** HotpotQA (Yang et al., 2018), distractor and full-wiki files. */
import { z } from "zod";
import { contextPassages, contextSchema } from "./context.js";
import { distinct, format, tags } from "./format.js";

const schema = z.object({
  _id: z.string().min(1),
  question: z.string().trim().min(1),
  /** Absent in the hidden test set. */
  answer: z.string().optional(),
  type: z.string().optional(),
  level: z.string().optional(),
  context: contextSchema.optional(),
});

export const hotpotqa = format<z.infer<typeof schema>>({
  name: "hotpotqa",
  schema,
  recognises: (row) => "_id" in row && ("level" in row || (!("evidences" in row) && "context" in row)),
  question: ({ _id, question, answer, type, level }) => ({
    id: _id,
    question: question.trim(),
    answers: distinct([answer ?? ""]),
    ...tags({ type, level }),
  }),
  passages: ({ context }) => contextPassages(context),
});
