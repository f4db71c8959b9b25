import { SwirlError } from "../errors/swirl-error.js";

/** The best score of `score` over all accepted answers; 0 when there are none. A boolean counts as 0 or 1. */
export function bestOver(golds: readonly string[], score: (gold: string) => number | boolean): number {
  if (!Array.isArray(golds)) {
    throw new SwirlError("INPUT", `the accepted answers are ${JSON.stringify(golds)}, no array`, {
      remedy: 'give an array of strings, such as ["72"]',
      details: { field: "gold" },
    });
  }
  return golds.reduce((best, gold) => Math.max(best, Number(score(gold))), 0);
}
