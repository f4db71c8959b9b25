/**
 * A judge that is a function: for checks that a program can make, and for oracles of invented environments.
 * A rule that throws, or that returns something else, gives a failed verdict.
 */
import { inspect } from "node:util";
import { z } from "zod";
import { parseOptions } from "../options/parse-options.js";
import { redactText } from "../secrets/redact.js";
import type { StepView } from "../trajectory/step-views.js";
import { failedVerdict } from "./failed-verdict.js";
import type { Judge, Verdict } from "./judge.js";
import { asVerdict } from "./judged-trajectory.js";

/** What a rule found, with its reason. */
export interface RuleFinding {
  /** Whether the step is good. */
  good: boolean;
  /** 0 … 1. @default 1 for good, 0 for bad */
  score?: number;
  /** Kept with the verdict. */
  reason?: string;
}

/** What a rule returns: good or not, a score of 0 … 1 that is compared with the threshold, or a finding. */
export type RuleOutcome = boolean | number | RuleFinding;

/** Rates one step. */
export type Rule = (view: StepView) => RuleOutcome | Promise<RuleOutcome>;

/** Options of {@link RuleJudge}. */
export interface RuleJudgeOptions {
  /** Not empty. Part of every verdict's cache key: change it with the rule. */
  id: string;
  /** The function that rates a step. */
  rule: Rule;
  /** A score of at least this is GOOD; above 0, at most 1. @default 0.5 */
  threshold?: number | undefined;
}

export const ruleJudgeSchema = z.strictObject({
  id: z.string().min(1),
  rule: z.custom<Rule>((value) => typeof value === "function", { message: "must be a function of a step" }),
  threshold: z.number().gt(0).max(1).default(0.5),
});

/**
 * A judge that is a function.
 *
 * @example
 * const judge = new RuleJudge({
 *   id: "no-repetition/1",
 *   rule: ({ action, history }) => !history.some((past) => past.action === action),
 * });
 */
export class RuleJudge implements Judge {
  /** `rule/` and the id given. */
  readonly id: string;
  readonly #rule: Rule;
  readonly #threshold: number;

  /** @throws SwirlError CONFIG for bad options. */
  constructor(options: RuleJudgeOptions) {
    const { id, rule, threshold } = parseOptions(ruleJudgeSchema, options, "RuleJudge");
    this.id = `rule/${id}`;
    this.#rule = rule;
    this.#threshold = threshold;
  }

  /** Applies the rule to one step. A rule that throws gives a failed verdict. */
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
