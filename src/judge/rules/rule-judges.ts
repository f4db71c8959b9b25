/**
 * Ready-made rule judges. They are weak checks: they find steps that are certainly or almost certainly bad, and call
 * everything else GOOD. They cannot tell whether a query is wise or an operation the right one. Use them as a baseline
 * next to a prompted judge, or where no judge model can run.
 */
import { ofArguments } from "../../errors/arguments.js";
import type { StepView } from "../../trajectory/step-views.js";
import { RuleJudge } from "../rule-judge.js";
import {
  answerFromResults,
  calculatesSomething,
  expressionParses,
  numbersFromContext,
} from "./calculation.js";
import { repeatsNothing, wellFormed } from "./call.js";
import { answerObserved, queryOnTopic } from "./search.js";

/** Returns what is wrong with a step, or undefined. */
export type Check = (view: StepView) => string | undefined;

/**
 * A rule judge made of checks: GOOD when no check finds a fault, else BAD with the first fault as the reason.
 *
 * @throws SwirlError CONFIG for an empty id.
 * @example
 * const judge = judgeByChecks("short/1", [({ action }) => (action.length > 500 ? "too long" : undefined)]);
 */
export function judgeByChecks(id: string, checks: readonly Check[]): RuleJudge {
  return ofArguments("judgeByChecks", "(id: a text, checks: functions of a step)", () => {
    return new RuleJudge({
      id,
      rule: (view) => {
        for (const check of checks) {
          const reason = check(view);
          if (reason !== undefined) return { good: false, reason };
        }
        return { good: true };
      },
    });
  });
}

/**
 * Ready-made rule judges, weak baselines that need no model.
 *
 * @example
 * const { falsePositive } = await calibrate(ruleJudges.search(), adversarialSteps());
 */
export const ruleJudges = {
  /** Well-formed, no repeated query, a query on the question's topic, an answer that some result mentions. */
  search: () => judgeByChecks("search.v1", [wellFormed, repeatsNothing, queryOnTopic, answerObserved]),
  /**
   * Well-formed, no repeated expression, an expression that parses and calculates something from given numbers, an
   * answer that is a result.
   */
  calculator: () =>
    judgeByChecks("calculator.v2", [
      wellFormed,
      repeatsNothing,
      expressionParses,
      calculatesSomething,
      numbersFromContext,
      answerFromResults,
    ]),
};
