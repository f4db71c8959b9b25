/** The best score of `score` over all accepted answers; 0 when there are none. A boolean counts as 0 or 1. */
export function bestOver(golds: readonly string[], score: (gold: string) => number | boolean): number {
  return golds.reduce((best, gold) => Math.max(best, Number(score(gold))), 0);
}
