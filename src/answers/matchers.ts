/** Matchers without a model: the answer is right when it matches any accepted one. */
import type { AnswerMatcher } from "./answer-matcher.js";
import { bestOver } from "./best-over.js";
import { exactMatch } from "./exact-match.js";
import { f1 } from "./f1.js";
import { answerNumber, numericEqual } from "./numeric.js";

/** Equal after SQuAD's normalization (case, punctuation, articles, blanks). */
export function exactMatcher(): AnswerMatcher {
  return matcher("exact", exactMatch);
}

/** The same number: "10", "10.00" and "$10" are. A gold answer whose number cannot be read is compared exactly. */
export function numericMatcher(): AnswerMatcher {
  return matcher("numeric", (answer, gold) =>
    answerNumber(gold) === undefined ? exactMatch(answer, gold) : numericEqual(answer, gold),
  );
}

/** Word overlap F1 of at least `threshold`. */
export function f1Matcher(threshold = 0.5): AnswerMatcher {
  return matcher(`f1>=${threshold}`, (answer, gold) => f1(answer, gold) >= threshold);
}

function matcher(id: string, matches: (answer: string, gold: string) => boolean): AnswerMatcher {
  return {
    id,
    match: ({ answer, gold }) => ({
      status: "ok",
      correct: bestOver(gold, (accepted) => matches(answer, accepted)) === 1,
    }),
  };
}
