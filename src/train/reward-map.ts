/**
 * The reward of a verdict. `undefined` is a judgment that failed: the sample is masked, not given a zero.
 *
 *   binary   GOOD 1, BAD 0
 *   signed   GOOD 1, BAD -1
 *   score    the judge's own number in [0, 1]: P(GOOD), or the share of its votes
 */
import type { Verdict } from "../judge/judge.js";

export const REWARD_MAPS = ["binary", "signed", "score"] as const;
export type RewardMap = (typeof REWARD_MAPS)[number];

export function rewardOf(verdict: Verdict, map: RewardMap): number | undefined {
  if (verdict.status !== "ok") return undefined;
  switch (map) {
    case "binary":
      return verdict.good ? 1 : 0;
    case "signed":
      return verdict.good ? 1 : -1;
    case "score":
      return verdict.score;
  }
}
