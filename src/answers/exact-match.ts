import { normalizeAnswer } from "./normalize.js";

/**
 * Whether two answers are equal after {@link normalizeAnswer}. When nothing of `gold` is left by the normalization, the
 * texts themselves are compared, without surrounding spaces; two blank answers are not equal.
 */
export function exactMatch(prediction: string, gold: string): boolean {
  const normalized = normalizeAnswer(gold);
  if (normalized === "") return prediction.trim() !== "" && prediction.trim() === gold.trim();
  return normalizeAnswer(prediction) === normalized;
}
