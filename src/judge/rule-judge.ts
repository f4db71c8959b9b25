/**
 * A judge that is a function: for checks a program can make, and for oracles in controlled worlds.
 * A rule that throws, or that gives no number, is a failed verdict.
 */
import { inspect } from "node:util";
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { redactText } from "../secrets/redact.js";
import type { StepView } from "../trajectory/step-views.js";
import { failedVerdict } from "./failed-verdict.js";
import type { Judge, Verdict } from "./judge.js";
import { asVerdict } from "./judged-trajectory.js";

export interface RuleFinding {
  good: boolean;
  /** 0 … 1; default 1 for good, 0 for bad. */
  score?: number;
  reason?: string;
}

/** A number is a score of 0 … 1, compared with the threshold. */
export type Rule = (view: StepView) => RuleOutcome | Promise<RuleOutcome>;
export type RuleOutcome = boolean | number | RuleFinding;

const optionsSchema = z.strictObject({
  /** Part of every verdict's cache key: change it with the rule. */
  id: z.string().min(1),
  rule: z.custom<Rule>((value) => typeof value === "function", { message: "must be a function of a step" }),
  threshold: z.number().gt(0).max(1).default(0.5),
});

export type RuleJudgeOptions = z.input<typeof optionsSchema>;

export class RuleJudge implements Judge {
  readonly id: string;
  readonly #rule: Rule;
  readonly #threshold: number;

  constructor(options: RuleJudgeOptions) {
    const { id, rule, threshold } = parseOptions(optionsSchema, options, "RuleJudge");
    this.id = `rule/${id}`;
    this.#rule = rule;
    this.#threshold = threshold;
  }

  async judge(view: StepView): Promise<Verdict> {
    try {
      return this.#verdict(await this.#rule(view));
    } catch (error) {
      return failedVerdict(error);
    }
  }

  #verdict(outcome: RuleOutcome): Verdict {
    const finding: Partial<RuleFinding> | null | undefined =
      typeof outcome === "number"
        ? { good: outcome >= this.#threshold, score: outcome }
        : typeof outcome === "boolean"
          ? { good: outcome }
          : outcome;
    const { good, score = Number(good), reason } = finding ?? {};
    const verdict = asVerdict({ status: "ok", good, score, votes: 1, reason });
    if (verdict) return verdict;
    const given = redactText(inspect(outcome)).slice(0, 120);
    return {
      status: "failed",
      error: `${this.id} gave ${given}: a rule gives a boolean, a score from 0 to 1, or { good, score, reason }`,
    };
  }
}
