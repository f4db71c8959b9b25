/**
 * A judge that knows the solutions of GSM8K: a call is good if its value is one that the question's own solution
 * reaches, an answer if it is the solution's. It shows what the method can gain when the judge is hardly ever wrong, and
 * labels a policy's steps to measure other judges. It is no judge to train with in earnest: it has to know the answers.
 *
 * Limit: another correct way to the answer, by values that the solution does not name, counts as wrong until its end.
 */
import {
  calculate,
  type Judge,
  numericEqual,
  RuleJudge,
  readGsm8kDemonstrations,
  type StepView,
} from "swirl-rl";

interface Solution {
  /** What its calculations come to. */
  values: number[];
  answer: string;
}

/** @param files GSM8K's rows: those that the judged questions come from. */
export async function solutionJudge(files: readonly string[]): Promise<Judge> {
  const solutions = new Map<string, Solution>();
  for (const file of files)
    for await (const { question, steps, answer } of readGsm8kDemonstrations(file))
      solutions.set(question.question, {
        values: steps.flatMap(({ call }) => resultOf(call.input) ?? []),
        answer,
      });
  return new RuleJudge({ id: "gsm8k-solutions/1", rule: (view) => follows(view, solutions) });
}

function follows(view: StepView, solutions: ReadonlyMap<string, Solution>) {
  const solution = solutions.get(view.question);
  if (!solution) throw new Error("no solution of this question is known");
  if (view.kind === "malformed") return { good: false, reason: "neither a call nor an answer" };
  if (view.kind === "answer") {
    return { good: numericEqual(view.answer!, solution.answer), reason: `the answer is ${solution.answer}` };
  }
  const value = resultOf(view.call!.input);
  const good = value !== undefined && solution.values.some((one) => same(one, value));
  return { good, reason: `the solution's values: ${solution.values.join(", ")}` };
}

/** The calculator's result as a number; undefined where it cannot evaluate the expression. */
function resultOf(expression: string): number | undefined {
  try {
    return Number(calculate(expression));
  } catch {
    return undefined;
  }
}

/** Results are shown rounded. */
function same(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 + 1e-3 * Math.min(Math.abs(a), Math.abs(b), 1);
}
