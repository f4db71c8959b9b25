/**
 * A judge that is wrong on purpose, to measure how much of a gain survives a judge that errs. The share `rate` of all
 * verdicts (or of the good ones, or of the bad ones) is flipped. A hash of the seed and the step decides which: the same
 * step always gets the same verdict, as from a judge with a blind spot. A failed verdict stays failed.
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { askJudge } from "./ask-judge.js";
import type { Judge } from "./judge.js";
import { judgeSchema } from "./judge.js";
import { stepKey } from "./step-key.js";

/** Options of {@link noisyJudge}. */
export interface NoisyJudgeOptions {
  /** Share of verdicts that are flipped, 0 … 1. */
  rate: number;
  /** Flip only verdicts of this kind: "bad" makes a judge that overlooks bad steps. All verdicts when left out. */
  only?: "good" | "bad" | undefined;
  /** Selects the steps whose verdicts are flipped; an integer of at least 0. @default 0 */
  seed?: number | undefined;
}

export const noisyJudgeSchema = z.strictObject({
  rate: z.number().min(0).max(1),
  only: z.enum(["good", "bad"]).optional(),
  seed: z.int().min(0).default(0),
});

/**
 * Flips a share of another judge's verdicts, always on the same steps. The score becomes `1 - score`.
 *
 * @throws SwirlError CONFIG for bad options.
 * @example
 * const judge = noisyJudge(new PromptedJudge({ policy }), { rate: 0.1, only: "bad" });
 */
export function noisyJudge(judge: Judge, options: NoisyJudgeOptions): Judge {
  parseOptions(z.strictObject({ judge: judgeSchema }), { judge }, "noisyJudge");
  const { rate, only, seed } = parseOptions(noisyJudgeSchema, options, "noisyJudge");
  return {
    get id() {
      return `${judge.id}/wrong-${only === undefined ? "" : `${only}-`}${rate}-${seed}`;
    },
    async judge(step, call) {
      const verdict = await askJudge(judge, step, call?.signal);
      if (verdict.status === "failed" || (only !== undefined && verdict.good !== (only === "good")))
        return verdict;
      if (!isWrong(stepKey(`wrong ${only ?? ""} ${seed}`, step), rate)) return verdict;
      const { good, score, votes } = verdict;
      return { status: "ok", good: !good, score: 1 - score, votes, reason: "flipped" };
    },
  };
}

/** 52 bits of the hash as a number in [0, 1). */
function isWrong(key: string, rate: number): boolean {
  return Number.parseInt(key.slice(0, 13), 16) / 2 ** 52 < rate;
}
