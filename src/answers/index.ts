/** Answers: how they are normalized, compared and matched against the gold ones. */
export type { AnswerCandidate, AnswerMatcher, AnswerVerdict } from "./answer-matcher.js";
export { bestOver } from "./best-over.js";
export { exactMatch } from "./exact-match.js";
export { f1 } from "./f1.js";
export { matchAnswer } from "./match-answer.js";
export { exactMatcher, f1Matcher, numericMatcher } from "./matchers.js";
export { normalizeAnswer } from "./normalize.js";
export { answerNumber, numericEqual } from "./numeric.js";
