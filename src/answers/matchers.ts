/** Matchers without a model. An answer is right when it matches any accepted one. */
import { ofArguments } from "../errors/arguments.js";
import type { AnswerMatcher } from "./answer-matcher.js";
import { bestOver } from "./best-over.js";
import { exactMatch } from "./exact-match.js";
import { f1 } from "./f1.js";
import { answerNumber, numericEqual } from "./numeric.js";

/** Accepts an answer that equals an accepted one after {@link normalizeAnswer} (case, punctuation, articles, spacing). */
export function exactMatcher(): AnswerMatcher {
  return matcher("exact", exactMatch);
}

/**
 * Accepts an answer that is the same number as an accepted one: "10", "10.00" and "$10" are. An accepted answer whose
 * number cannot be read is compared exactly.
 */
export function numericMatcher(): AnswerMatcher {
  return matcher("numeric", (answer, gold) =>
    answerNumber(gold) === undefined ? exactMatch(answer, gold) : numericEqual(answer, gold),
  );
}

/** Accepts an answer whose word overlap {@link f1} is at least `threshold`, 0 to 1. */
export function f1Matcher(threshold = 0.5): AnswerMatcher {
  return ofArguments("f1Matcher", "a threshold between 0 and 1", () => {
    return matcher(`f1>=${threshold}`, (answer, gold) => f1(answer, gold) >= threshold);
  });
}

function matcher(id: string, matches: (answer: string, gold: string) => boolean): AnswerMatcher {
  return {
    id,
    match: (candidate) =>
      ofArguments(`${id} matcher`, "{ question, answer, gold }", () => {
        const { answer, gold } = candidate;
        return { status: "ok", correct: bestOver(gold, (accepted) => matches(answer, accepted)) === 1 };
      }),
  };
}
