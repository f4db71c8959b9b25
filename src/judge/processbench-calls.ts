/**
 * ProcessBench as a calculating agent would have gone about it, so that judges of calculator calls can be calibrated on
 * it: each equation of a step is a call ("18 - 6 = 12" calls 18 - 6 and sees 12), the step's last one is what is judged,
 * and the last step is the answer. Steps without an equation hold nothing to check and are left out.
 *
 * What is lost: a step that is wrong because its arithmetic is, has no counterpart, for the calculator does it; such
 * steps stay in, labelled bad, and no judge of the call alone can find them.
 */

import type { StepView } from "../trajectory/step-views.js";
import type { LabelledStep } from "./calibration.js";

export interface Equation {
  expression: string;
  result: string;
}

/** `steps` as readProcessBench gives them: those of one solution are neighbours, in their order. */
export function asCalculatorSteps(steps: readonly LabelledStep[]): LabelledStep[] {
  return steps.flatMap((step): LabelledStep[] => {
    const { view } = step;
    const history = view.history.flatMap(({ action }) => equationsIn(action).map(turn));
    const own = equationsIn(view.action);
    if (view.kind === "answer") {
      const answer = finalNumber(view.action);
      if (answer === undefined) return [];
      const before = [...history, ...own.map(turn)];
      const shown = `<answer>${answer}</answer>`;
      return [{ ...step, view: { ...view, history: before, action: shown, answer } }];
    }
    const judged = own.at(-1);
    if (!judged) return [];
    const before = [...history, ...own.slice(0, -1).map(turn)];
    const call = { name: "calculator", input: judged.expression };
    return [{ ...step, view: { ...view, history: before, action: tagged(judged), call } }];
  });
}

function turn(equation: Equation): StepView["history"][number] {
  return { action: tagged(equation), observation: `${equation.expression} -> ${equation.result}` };
}

function tagged({ expression }: Equation): string {
  return `<math_exp>${expression}</math_exp>`;
}

const EQUATION = /([-+*/().\d\s]*\d[-+*/().\d\s]*[-+*/][-+*/().\d\s]*\d[)\s]*)=\s*(-?\d+(?:\.\d+)?)/g;

/** The calculations a text writes out, units and typesetting taken off. */
export function equationsIn(text: string): Equation[] {
  return [...plainMath(text).matchAll(EQUATION)].flatMap(([, left, result]) => {
    const expression = left!
      .replace(/^[\s.)*/+]+/, "")
      .replace(/\s+/g, " ")
      .trim();
    const open = expression.split("(").length;
    const closed = expression.split(")").length;
    // A list's "1." or a bracket of the sentence is no part of it.
    return open === closed && /\d[\s)]*[-+*/]\s*\(*-?\d/.test(expression)
      ? [{ expression, result: result! }]
      : [];
  });
}

function plainMath(text: string): string {
  return text
    .replace(/\\(?:text|mathrm|textbf)\s*\{[^{}]*\}/g, "")
    .replace(/\\d?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g, "($1)/($2)")
    .replace(/\\times|\\cdot|×|·/g, "*")
    .replace(/\\div|÷/g, "/")
    .replace(/\\\\|\\[()[\]]|[$€£]|\\left|\\right|\\ |\\,/g, " ")
    .replace(/(\d),(?=\d{3}\b)/g, "$1")
    .replace(/−|–/g, "-");
}

/** What stands in a box, or else the last number. */
function finalNumber(text: string): string | undefined {
  const boxed = /\\boxed\{([^{}]*)\}/.exec(text)?.[1];
  return plainMath(boxed ?? text)
    .match(/-?\d+(?:\.\d+)?/g)
    ?.at(-1);
}
