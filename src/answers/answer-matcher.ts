/**
 * Compares one final answer with the accepted ones. A matcher that could not decide (a judge that failed) says so:
 * that is neither right nor wrong.
 */
export interface AnswerCandidate {
  question: string;
  answer: string;
  gold: readonly string[]; // at least one
}

export type AnswerVerdict = { status: "ok"; correct: boolean } | { status: "failed"; error: string };

export interface AnswerMatcher {
  /** Named in records and tables. */
  readonly id: string;
  match(
    candidate: AnswerCandidate,
    options?: { signal?: AbortSignal },
  ): Promise<AnswerVerdict> | AnswerVerdict;
}
