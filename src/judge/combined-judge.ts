/**
 * Several judges as one: a rule that reads the form and a model that reads the content, or models of several kinds.
 *
 * "all": GOOD where every judge says GOOD. "any": GOOD where one does. Both ask in the given order and stop at the first
 * verdict that decides, so a cheap rule in front saves calls of the model behind it. "mean": the weighted mean of the
 * scores, compared with a threshold; every judge is asked.
 */
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { askJudge } from "./ask-judge.js";
import type { GivenVerdict, Judge, Verdict } from "./judge.js";
import { judgeSchema } from "./judge.js";

/** Options of {@link combinedJudge}. */
export interface CombinedJudgeOptions {
  /** Two judges or more, asked in this order. Put the cheapest first. */
  judges: readonly Judge[];
  /**
   * What makes a step GOOD. "all": every judge says GOOD, and the score is the lowest. "any": one judge says GOOD, and the
   * score is the highest. "mean": the weighted mean of the scores reaches `threshold`.
   * @default "all"
   */
  require?: "all" | "any" | "mean" | undefined;
  /** For "mean": one weight above 0 per judge. Default: equal weights. */
  weights?: readonly number[] | undefined;
  /** For "mean": above 0, at most 1. @default 0.5 */
  threshold?: number | undefined;
}

export const combinedJudgeSchema = z
  .strictObject({
    judges: z.array(judgeSchema).min(2).max(64),
    require: z.enum(["all", "any", "mean"]).default("all"),
    weights: z.array(z.number().positive()).optional(),
    threshold: z.number().gt(0).max(1).optional(),
  })
  .superRefine(({ judges, require, weights, threshold }, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    if (require !== "mean" && weights) issue("weights", 'has no effect without require: "mean"');
    if (require !== "mean" && threshold !== undefined)
      issue("threshold", 'has no effect without require: "mean"');
    if (weights && weights.length !== judges.length)
      issue("weights", `has ${weights.length} numbers for ${judges.length} judges`);
  });

/**
 * Combines judges into one.
 *
 * A failed verdict counts only where it matters: "all" is BAD as soon as one judge says BAD, "any" is GOOD as soon as one
 * says GOOD. Otherwise, and always with "mean", one failed verdict makes the combined verdict a failed one.
 *
 * @throws SwirlError CONFIG for bad options, also for options without effect.
 * @example
 * const form = ruleJudges.calculator();
 * const judge = combinedJudge({ judges: [form, new PromptedJudge({ policy, criterion: "math" })] });
 */
export function combinedJudge(options: CombinedJudgeOptions): Judge {
  const {
    judges,
    require,
    weights,
    threshold = 0.5,
  } = parseOptions(combinedJudgeSchema, options, "combinedJudge");
  return {
    get id() {
      const parts = judges.map(({ id }, i) => (weights ? `${weights[i]}*${id}` : id)).join(" & ");
      return `combined/${require}${require === "mean" ? `>=${threshold}` : ""}/(${parts})`;
    },
    async judge(step, call) {
      if (require === "mean") {
        const verdicts = await Promise.all(judges.map((judge) => askJudge(judge, step, call?.signal)));
        return mean(verdicts, weights ?? judges.map(() => 1), threshold);
      }
      const verdicts: Verdict[] = [];
      for (const judge of judges) {
        const verdict = await askJudge(judge, step, call?.signal);
        if (verdict.status === "ok" && verdict.good === (require === "any")) return verdict;
        verdicts.push(verdict);
      }
      const failed = verdicts.find(({ status }) => status === "failed");
      return failed ?? unanimous(verdicts as GivenVerdict[]);
    },
  };
}

/** The verdict of judges that agree: that of the least certain one, whose score is nearest to the other side. */
function unanimous(verdicts: readonly GivenVerdict[]): GivenVerdict {
  return verdicts.reduce((least, verdict) =>
    verdict.good === verdict.score < least.score ? verdict : least,
  );
}

function mean(verdicts: readonly Verdict[], weights: readonly number[], threshold: number): Verdict {
  const failed = verdicts.find(({ status }) => status === "failed");
  if (failed) return failed;
  const given = verdicts as GivenVerdict[];
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const sum = given.reduce((score, verdict, i) => score + weights[i]! * verdict.score, 0);
  const score = Math.min(1, sum / total); // rounding can exceed 1
  const good = score >= threshold;
  const reason = given.find((verdict) => verdict.good === good)?.reason;
  return {
    status: "ok",
    good,
    score,
    votes: given.reduce((votes, verdict) => votes + verdict.votes, 0),
    ...(reason !== undefined && { reason }),
  };
}
