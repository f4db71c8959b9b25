/** GSM8K (Cobbe et al., 2021): word problems. The answer follows "####" at the end of the solution. */
import { z } from "zod";
import { format } from "./format.js";

export const gsm8kSchema = z.object({
  question: z.string().trim().min(1),
  answer: z.string().regex(/####\s*\S/, 'needs the final answer after "####"'),
});

export const gsm8k = format<z.infer<typeof gsm8kSchema>>({
  name: "gsm8k",
  schema: gsm8kSchema,
  recognises: (row) => typeof row.answer === "string" && row.answer.includes("####"),
  question: ({ question, answer }, fallbackId) => ({
    id: fallbackId,
    question: question.trim(),
    answers: [finalAnswer(answer)],
  }),
});

export function finalAnswer(solution: string): string {
  return solution.slice(solution.lastIndexOf("####") + 4).trim();
}
