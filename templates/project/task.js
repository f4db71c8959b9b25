// How questions are put to the model, and what a right answer is.
import { defineTask, exactMatcher } from "swirl-rl";
import { questions } from "./stock.js";
import { stock } from "./tool.js";

export const task = defineTask({
  name: "stock",
  tools: [stock],
  callLimit: 2,
  matcher: exactMatcher(),
  // The built-in model is taught by demonstrations. For a model that reads instructions leave `prompt` out.
  prompt: (question) => [{ role: "user", content: question }],
});

/** Worked examples for fine-tuning, before the reinforcement learning. */
export function demonstrations(from, to) {
  return questions.slice(from, to).map(({ name, thing, ...question }) => ({
    question,
    steps: [
      {
        thought: "",
        call: { name: "stock", input: `${name} ${thing}` },
        observation: question.answers[0],
      },
    ],
    answer: question.answers[0],
  }));
}
