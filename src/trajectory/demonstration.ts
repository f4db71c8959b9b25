/** A demonstration: how a person, or a dataset's annotation, solves one question step by step. */
import type { Question } from "./question.js";
import type { RecordedCall } from "./trajectory.js";

/** One call of a demonstration. */
export interface DemonstrationStep {
  /** The chain of thought before the call; may be empty. */
  thought: string;
  /** The call that is made. */
  call: RecordedCall;
  /** The result that the demonstration expects. A number is compared as a number. Absent: any result is accepted. */
  observation?: string;
}

/** A solution of one question, to be replayed by {@link demonstrate}. */
export interface Demonstration {
  /** The question that is solved. */
  question: Question;
  /** The calls, in order. May be empty. */
  steps: readonly DemonstrationStep[];
  /** The chain of thought before the answer. */
  conclusion?: string;
  /** The final answer. */
  answer: string;
}
