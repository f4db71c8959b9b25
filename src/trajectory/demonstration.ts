/** A demonstration: how a person, or a data set's annotation, solves one question step by step. */
import type { Question } from "./question.js";

export interface DemonstrationStep {
  /** The chain of thought before the call; may be empty. */
  thought: string;
  call: { name: string; input: string };
  /** What the demonstration says the tool answers. A number is compared as a number; absent: anything goes. */
  observation?: string;
}

export interface Demonstration {
  question: Question;
  steps: readonly DemonstrationStep[];
  /** The chain of thought before the answer. */
  conclusion?: string;
  answer: string;
}
