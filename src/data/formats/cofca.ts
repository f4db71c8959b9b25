/**
 * CofCA (Wu et al., ICLR 2025, arXiv 2402.11924): multi-hop questions over rewritten, counterfactual Wikipedia passages,
 * with sub-questions and their answers. There is no public repository with a documented layout; this reads what the
 * paper describes: a question, its answer, the passages it is answered from, the sub-questions, the number of hops.
 * Passages may be one text, {title, text} or HotpotQA's [title, sentences].
 */
import { z } from "zod";
import { contextPassages, contextSchema, joinSentences } from "./context.js";
import { format, tags } from "./format.js";
import { goldAnswers, rowWithGold } from "./gold.js";

const titled = z.object({ title: z.string().default(""), text: z.union([z.string(), z.array(z.string())]) });
const contexts = z.union([z.string(), contextSchema, z.array(titled), z.array(z.string())]);

const schema = rowWithGold({
  id: z.union([z.string().min(1), z.number()]).optional(),
  question: z.string().trim().min(1),
  context: contexts.optional(),
  passage: contexts.optional(),
  sub_questions: z
    .array(z.union([z.string(), z.object({ question: z.string(), answer: z.string() })]))
    .optional(),
  sub_answers: z.array(z.string()).optional(),
  type: z.union([z.string(), z.number()]).nullish(),
});

export const cofca = format<z.infer<typeof schema>>({
  name: "cofca",
  schema,
  recognises: (row) => "sub_questions" in row || ("passage" in row && "question" in row),
  question: ({ id, sub_questions, type, ...row }, fallbackId) => ({
    id: id === undefined ? fallbackId : String(id),
    question: row.question.trim(),
    answers: goldAnswers(row),
    ...tags({ type, hops: sub_questions?.length }),
  }),
  passages: ({ context, passage }) => passagesOf(context ?? passage),
});

function passagesOf(value: z.infer<typeof contexts> | undefined) {
  if (value === undefined) return [];
  if (typeof value === "string") return [{ title: "", text: value.trim() }];
  return value.map((item) => {
    if (typeof item === "string") return { title: "", text: item.trim() };
    if (Array.isArray(item)) return contextPassages([item])[0]!;
    return { title: item.title, text: joinSentences(item.text) };
  });
}
