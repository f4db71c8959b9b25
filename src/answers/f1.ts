import { ofArguments } from "../errors/arguments.js";
import { normalizeAnswer } from "./normalize.js";

/** HotpotQA's evaluation gives these no partial credit. */
const CLOSED = new Set(["yes", "no", "noanswer"]);

/** Scripts that write no spaces between words are compared by character, as in MLQA's evaluation. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*/gu;

/**
 * Word overlap of two answers after {@link normalizeAnswer}, 0 to 1: the harmonic mean of precision and recall. Yes, no
 * and noanswer get no partial credit, as in HotpotQA's evaluation.
 */
export function f1(prediction: string, gold: string): number {
  return ofArguments("f1", "(prediction: a text, gold: a text)", () => {
    const predicted = normalizeAnswer(prediction);
    const expected = normalizeAnswer(gold);
    if (predicted === "" || expected === "") return 0;
    if (predicted !== expected && (CLOSED.has(predicted) || CLOSED.has(expected))) return 0;
    const words = wordsOf(predicted);
    const expectedWords = wordsOf(expected);
    const left = new Map<string, number>();
    for (const word of expectedWords) left.set(word, (left.get(word) ?? 0) + 1);
    let common = 0;
    for (const word of words) {
      const count = left.get(word) ?? 0;
      if (count === 0) continue;
      left.set(word, count - 1);
      common++;
    }
    if (common === 0) return 0;
    const precision = common / words.length;
    const recall = common / expectedWords.length;
    return (2 * precision * recall) / (precision + recall);
  });
}

function wordsOf(normalized: string): string[] {
  return normalized.replace(UNSPACED, " $& ").trim().split(/ +/);
}
