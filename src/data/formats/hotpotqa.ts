/** HotpotQA (Yang et al., 2018), distractor and full-wiki files, as released (`_id`) and as on the hub (`id`). */
import { z } from "zod";
import { contextPassages, contextSchema } from "./context.js";
import { format, tags } from "./format.js";
import { goldAnswers, rowWithGold } from "./gold.js";

const schema = rowWithGold({
  _id: z.string().min(1).optional(),
  id: z.string().min(1).optional(),
  question: z.string().trim().min(1),
  /** Absent in the hidden test set. */
  answer: z.string().nullish(),
  type: z.string().nullish(),
  level: z.string().nullish(),
  context: contextSchema.optional(),
}).refine(({ _id, id }) => _id !== undefined || id !== undefined, {
  path: ["_id"],
  message: "needs an id",
});

export const hotpotqa = format<z.infer<typeof schema>>({
  name: "hotpotqa",
  schema,
  recognises: (row) =>
    !("evidences" in row) &&
    ("_id" in row ? "level" in row || "context" in row : "id" in row && "supporting_facts" in row),
  question: ({ type, level, ...row }) => ({
    id: (row._id ?? row.id)!,
    question: row.question.trim(),
    answers: goldAnswers(row),
    ...tags({ type, level }),
  }),
  passages: ({ context }) => contextPassages(context),
});
