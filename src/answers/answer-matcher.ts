/**
 * Compares one final answer with the accepted ones. A matcher that cannot decide, such as a judge that failed, returns
 * a failed check: the answer is then neither right nor wrong.
 */

/** An answer to check. */
export interface AnswerCandidate {
  /** The question. */
  question: string;
  /** The answer that the policy gave. */
  answer: string;
  /** The accepted answers, at least one. */
  gold: readonly string[];
}

/** A check that was made. */
export interface CheckedAnswer {
  /** The check was made. */
  status: "ok";
  /** Whether the answer is accepted. */
  correct: boolean;
}

/** A check that could not be made. The answer is excluded from accuracy. */
export interface FailedCheck {
  /** The check failed. */
  status: "failed";
  /** Why it failed. */
  error: string;
}

/** Result of checking an answer. */
export type AnswerVerdict = CheckedAnswer | FailedCheck;

/**
 * Compares answers with the accepted ones: {@link exactMatcher}, {@link numericMatcher}, {@link f1Matcher},
 * {@link AnswerKeyJudge}, or your own.
 *
 * @example
 * const caseless: AnswerMatcher = {
 *   id: "caseless",
 *   match: ({ answer, gold }) => ({
 *     status: "ok",
 *     correct: gold.some((accepted) => accepted.toLowerCase() === answer.toLowerCase()),
 *   }),
 * };
 */
export interface AnswerMatcher {
  /** Names the matcher in records and tables. Not empty. */
  readonly id: string;
  /** Checks one answer. An error that it throws is recorded as a failed check. */
  match(
    candidate: AnswerCandidate,
    options?: { signal?: AbortSignal },
  ): Promise<AnswerVerdict> | AnswerVerdict;
}
