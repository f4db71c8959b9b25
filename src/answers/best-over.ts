import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";

/**
 * The highest score over all accepted answers, at least 0. 0 when there are none. A boolean counts as 0 or 1.
 *
 * @throws SwirlError INPUT when `golds` is not an array.
 * @example
 * bestOver(["72", "seventy-two"], (gold) => f1("72 clips", gold)); // 0.667
 */
export function bestOver(golds: readonly string[], score: (gold: string) => number | boolean): number {
  return ofArguments("bestOver", "(golds: texts, score: a function of one)", () => {
    if (!Array.isArray(golds)) {
      throw new SwirlError("INPUT", `the accepted answers are ${JSON.stringify(golds)}, not an array`, {
        remedy: 'give an array of strings, such as ["72"]',
        details: { field: "gold" },
      });
    }
    return golds.reduce((best, gold) => Math.max(best, Number(score(gold))), 0);
  });
}
