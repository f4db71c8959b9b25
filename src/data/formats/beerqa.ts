/** BeerQA (Qi et al., 2021): { version, data: [row, …] }; the test set has no answers. `src` is the set it came from. */
import { z } from "zod";
import { contextPassages, contextSchema } from "./context.js";
import { format, tags } from "./format.js";
import { goldAnswers, rowWithGold } from "./gold.js";

const schema = rowWithGold({
  id: z.string().min(1),
  question: z.string().trim().min(1),
  answers: z.array(z.string()).nullish(),
  src: z.string().nullish(),
  context: contextSchema.optional(),
});

export const beerqa = format<z.infer<typeof schema>>({
  name: "beerqa",
  schema,
  recognises: (row) => "src" in row && "answers" in row,
  question: ({ id, src, ...row }) => ({
    id,
    question: row.question.trim(),
    answers: goldAnswers(row),
    ...tags({ src }),
  }),
  passages: ({ context }) => contextPassages(context),
});
