/**
 * A judge that is wrong on purpose: how much of a gain survives a judge that errs? Of all steps (or of the good ones, or
 * of the bad ones) the share `rate` gets the opposite verdict. Which ones is a hash of the seed and the step, so the same
 * step always gets the same verdict, as from a judge with a blind spot; a failed verdict stays failed.
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { askJudge } from "./ask-judge.js";
import type { Judge } from "./judge.js";
import { judgeSchema } from "./judge.js";
import { stepKey } from "./step-key.js";

const optionsSchema = z.strictObject({
  /** Share of verdicts that are turned round. */
  rate: z.number().min(0).max(1),
  /** Only verdicts of this kind are: "bad" makes a judge that overlooks bad steps and wrongs no good one. */
  only: z.enum(["good", "bad"]).optional(),
  seed: z.int().min(0).default(0),
});

export type NoisyJudgeOptions = z.input<typeof optionsSchema>;

export function noisyJudge(judge: Judge, options: NoisyJudgeOptions): Judge {
  parseOptions(z.strictObject({ judge: judgeSchema }), { judge }, "noisyJudge");
  const { rate, only, seed } = parseOptions(optionsSchema, options, "noisyJudge");
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
      return { status: "ok", good: !good, score: 1 - score, votes, reason: "turned round" };
    },
  };
}

/** 52 bits of the hash as a number in [0, 1). */
function isWrong(key: string, rate: number): boolean {
  return Number.parseInt(key.slice(0, 13), 16) / 2 ** 52 < rate;
}
