/** Checks of a calculating agent's steps. */
import { readNumber } from "../../answers/numbers/read-number.js";
import { CalculatorError, calculate } from "../../tools/calculator/index.js";
import type { StepView } from "../../trajectory/step-views.js";
import { numbersGiven, numbersIn, quantitiesOf, sameNumber } from "./numbers.js";

/** Small counts that any calculation may introduce: one more, one less, a pair. */
const FREE = [0, 1, 2];

/** The calculator can evaluate the expression: nothing is missing, unknown or divided by zero. */
export function expressionParses(view: StepView): string | undefined {
  if (view.kind !== "call" || view.call === undefined) return undefined;
  try {
    calculate(expressionOf(view.call.input));
    return undefined;
  } catch (error) {
    if (error instanceof CalculatorError) return `the calculator cannot evaluate it: ${error.message}`;
    throw error;
  }
}

/**
 * Something is calculated: `230`, `(230)` and `-230` are numbers, and `230*1` and `230+0` leave one as it is. A policy
 * rewarded by rules that let them pass learns to write them (docs/results/first-real-run.md).
 */
export function calculatesSomething(view: StepView): string | undefined {
  if (view.kind !== "call" || view.call === undefined) return undefined;
  const bare = expressionOf(view.call.input).replace(/[\s()$€£]/g, "");
  return /^[-+]?(\d[\d,]*\.?\d*|\.\d+)%?([*/]1(\.0+)?|[-+]0(\.0+)?)?$/.test(bare)
    ? `${bare}: nothing is calculated`
    : undefined;
}

/** Chat templates and endpoints give a call's arguments as JSON: {"expression": "48 / 2"}. */
function expressionOf(input: string): string {
  if (!input.trimStart().startsWith("{")) return input;
  try {
    const value = (JSON.parse(input) as { expression?: unknown }).expression;
    return typeof value === "string" ? value : input;
  } catch {
    return input;
  }
}

/** Each number of the expression was given by the question, an earlier message or a result. */
export function numbersFromContext(view: StepView): string | undefined {
  if (view.kind !== "call" || view.call === undefined) return undefined;
  const context = [
    view.question,
    ...view.history.flatMap(({ action, observation }) => [action, observation ?? ""]),
  ];
  const given = [...FREE, ...context.flatMap(numbersGiven)];
  const invented = numbersIn(expressionOf(view.call.input)).find(
    (number) => !given.some((known) => sameNumber(known, number)),
  );
  return invented === undefined ? undefined : `${invented} is given neither by the problem nor by a result`;
}

/** The answer's number is one that a result shows. Without any result there is nothing it could follow from. */
export function answerFromResults(view: StepView): string | undefined {
  if (view.kind !== "answer" || view.answer === undefined) return undefined;
  const results = view.history.flatMap(({ observation }) => (observation === undefined ? [] : [observation]));
  if (results.length === 0) return "an answer before anything was calculated";
  const answer = readNumber(view.answer);
  if (answer === undefined) return "the answer holds no number that can be read for certain";
  const values = answer.percent ? [answer.value, answer.value / 100] : [answer.value];
  const shown = results.flatMap((result) => quantitiesOf(result.split("->").at(-1)!));
  const follows = values.some((value) => shown.some((result) => sameNumber(result.value, value)));
  return follows ? undefined : `no result shows ${answer.value}`;
}
