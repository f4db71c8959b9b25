/** BeerQA (Qi et al., 2021): { version, data: [row, …] }; the test set has no answers. `src` is the set it came from. */
import { z } from "zod";
import { contextPassages, contextSchema } from "./context.js";
import { distinct, format, tags } from "./format.js";

const schema = z.object({
  id: z.string().min(1),
  question: z.string().trim().min(1),
  answers: z.array(z.string()).default([]),
  src: z.string().optional(),
  context: contextSchema.optional(),
});

export const beerqa = format<z.infer<typeof schema>>({
  name: "beerqa",
  schema,
  recognises: (row) => "src" in row && "answers" in row,
  question: ({ id, question, answers, src }) => ({
    id,
    question: question.trim(),
    answers: distinct(answers),
    ...tags({ src }),
  }),
  passages: ({ context }) => contextPassages(context),
});
