import { ofArguments } from "../errors/arguments.js";
import { normalizeAnswer } from "./normalize.js";

/**
 * Whether two answers are equal after {@link normalizeAnswer}. When nothing of `gold` is left by the normalization, the
 * texts themselves are compared, without surrounding spaces; two blank answers are not equal.
 */
export function exactMatch(prediction: string, gold: string): boolean {
  return ofArguments("exactMatch", "(prediction: a text, gold: a text)", () => {
    const normalized = normalizeAnswer(gold);
    if (normalized === "") return prediction.trim() !== "" && prediction.trim() === gold.trim();
    return normalizeAnswer(prediction) === normalized;
  });
}
