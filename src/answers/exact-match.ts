import { normalizeAnswer } from "./normalize.js";

/** Whether both are the same after SQuAD's normalization. Two answers without a word in them are not the same. */
export function exactMatch(prediction: string, gold: string): boolean {
  const normalized = normalizeAnswer(gold);
  if (normalized === "") return prediction.trim() !== "" && prediction.trim() === gold.trim();
  return normalizeAnswer(prediction) === normalized;
}
