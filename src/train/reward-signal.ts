/** Whether an update's rewards carry a signal. Pure. */
import type { Verdict } from "../judge/judge.js";
import { type RewardMap, rewardOf } from "./reward-map.js";

/**
 * Why an update's rewards carry no signal, with the likely cause; undefined where they differ. `clipped`: the number
 * of actions that maxNewTokens truncated.
 */
export function missingSignal(
  verdicts: readonly Verdict[],
  map: RewardMap,
  clipped: number,
): string | undefined {
  const ok = verdicts.filter((verdict) => verdict.status === "ok");
  const rewards = new Set(ok.map((verdict) => rewardOf(verdict, map)));
  if (ok.length < 2 || rewards.size !== 1) return undefined;
  const all = `all ${ok.length} rewards of this update are ${[...rewards][0]}: they carry no signal`;
  const scores = ok.map(({ score }) => score);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  if (low !== high) {
    return `${all}. The judge's scores differ (${round(low)} to ${round(high)}), but rewardMap "${map}" only takes GOOD or BAD from them: set rewardMap to "score"`;
  }
  if (!ok[0]!.good && clipped * 2 > verdicts.length) {
    return `${all}. ${clipped} of ${verdicts.length} actions were truncated: raise maxNewTokens`;
  }
  if (ok.every(({ good }) => good)) {
    return `${all}. Either the judge calls everything GOOD (calibrate it; "reason" in its verdicts says why), or the policy has nothing left to learn here`;
  }
  return `${all}. Either the policy does not write the actions' format yet (run sft first), or the judge calls everything BAD (calibrate it; "reason" in its verdicts says why)`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
