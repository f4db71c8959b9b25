/** A step of a search agent for tests, with parts replaced. */
import type { StepView } from "../../src/trajectory/step-views.js";

export function stepView(parts: Partial<StepView> = {}): StepView {
  const input = parts.call?.input ?? "Kessler Bridge architect";
  return {
    question: "In which year was the architect of the Kessler Bridge born?",
    history: [
      {
        action: "<search_query>Kessler Bridge</search_query>",
        observation: "Kessler Bridge -> A road bridge designed by Ada Moreno.",
      },
    ],
    action: `<search_query>${input}</search_query>`,
    kind: "call",
    call: { name: "search", input },
    callsLeft: 3,
    ...parts,
  };
}

export function answerView(answer: string, parts: Partial<StepView> = {}): StepView {
  const { call: _, ...rest } = stepView();
  return { ...rest, action: `<answer>${answer}</answer>`, kind: "answer", answer, ...parts };
}
