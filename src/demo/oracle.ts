/**
 * The oracle: knows every question's plan and results, and judges whether an action is the right next step given the
 * results so far. It only measures: no filter and no reward ever reads it.
 *
 * A step of the plan is done once its call was made and the reply held its result. The right action is the call of the
 * first step not done (the two sides of + and * may be swapped), or, once all are done, the last result as the answer.
 */
import type { StepView } from "../index.js";
import { expression, factSentence, lookupQuery, type Plan } from "./language.js";
import type { WorldQuestion } from "./world.js";

export interface PlanStep {
  /** Every way to write the right call. */
  calls: string[];
  /** Whether a reply to it holds the step's result. */
  found(observation: string): boolean;
  result: string;
}

/** The steps of a question, in the order they must be made. */
export function planSteps(question: Pick<WorldQuestion, "plan" | "results">): PlanStep[] {
  const { plan, results } = question;
  return results.map((result, i) => {
    const before = i === 0 ? firstOperand(plan) : results[i - 1]!;
    if (plan.kind === "lookup") {
      const relation = plan.relations[i]!;
      const sentence = factSentence(relation, before, result);
      return { calls: [lookupQuery(relation, before)], result, found: (text) => text.includes(sentence) };
    }
    const { operator, operand } = plan.operations[i]!;
    const calls = [expression(before, operator, operand)];
    if (operator === "+" || operator === "*") calls.push(expression(operand, operator, before));
    return { calls, result, found: (text) => lastNumber(text) === Number(result) };
  });
}

function firstOperand(plan: Plan): string {
  return plan.kind === "lookup" ? plan.entity : String(plan.start);
}

export function lastNumber(text: string): number | undefined {
  const number = text.match(/-?\d+(?:\.\d+)?/g)?.at(-1);
  return number === undefined ? undefined : Number(number);
}

/** Spacing and case do not matter in a call or an answer. */
export function sameText(a: string, b: string): boolean {
  const plain = (text: string) => text.replace(/\s+/g, "").toLowerCase();
  return plain(a) === plain(b);
}

export function isRightStep(question: Pick<WorldQuestion, "plan" | "results">, step: StepView): boolean {
  const steps = planSteps(question);
  let done = 0;
  for (const { action, observation } of step.history) {
    const next = steps[done];
    const call = /<(search_query|math_exp)>([\s\S]*?)<\/\1>/.exec(action)?.[2];
    if (!next || call === undefined || observation === undefined) continue;
    if (next.calls.some((right) => sameText(right, call)) && next.found(observation)) done++;
  }
  const next = steps[done];
  if (step.kind === "call" && next) return next.calls.some((call) => sameText(call, step.call?.input ?? ""));
  if (step.kind === "answer" && !next) return sameText(step.answer ?? "", steps[done - 1]!.result);
  return false;
}
