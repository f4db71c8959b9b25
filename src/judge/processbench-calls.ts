/**
 * ProcessBench in the form of calculator calls, to calibrate judges of such calls. Each equation of a step becomes a
 * call: "18 - 6 = 12" calls 18 - 6 and observes 12. The last equation of a step is judged, and the last step is the
 * answer. Steps without an equation hold nothing to check and are left out.
 *
 * Limit: a calculator makes no arithmetic errors. Steps whose only fault is their arithmetic stay in, labeled bad, and no
 * judge that sees the call alone can find them.
 */

import { ofArguments } from "../errors/arguments.js";
import type { StepView } from "../trajectory/step-views.js";
import type { LabelledStep } from "./calibration.js";

export interface Equation {
  expression: string;
  result: string;
}

/**
 * Rewrites steps of {@link readProcessBench} as calculator calls and answers. Steps without an equation, and last steps
 * without a number, are left out.
 *
 * @param steps As `readProcessBench` returns them: the steps of one solution are adjacent and in order.
 * @example
 * const steps = asCalculatorSteps(await readProcessBench("gsm8k.json"));
 * await calibrate(ruleJudges.calculator(), steps);
 */
export function asCalculatorSteps(steps: readonly LabelledStep[]): LabelledStep[] {
  return ofArguments("asCalculatorSteps", "labeled steps", () => {
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
  });
}

function turn(equation: Equation): StepView["history"][number] {
  return { action: tagged(equation), observation: `${equation.expression} -> ${equation.result}` };
}

function tagged({ expression }: Equation): string {
  return `<math_exp>${expression}</math_exp>`;
}

const EQUATION = /([-+*/().\d\s]*\d[-+*/().\d\s]*[-+*/][-+*/().\d\s]*\d[)\s]*)=\s*(-?\d+(?:\.\d+)?)/g;

/** The equations that a text writes out, without units and typesetting. */
export function equationsIn(text: string): Equation[] {
  return [...plainMath(text).matchAll(EQUATION)].flatMap(([, left, result]) => {
    const expression = left!
      .replace(/^[\s.)*/+]+/, "")
      .replace(/\s+/g, " ")
      .trim();
    const open = expression.split("(").length;
    const closed = expression.split(")").length;
    // A list's "1." or a bracket of the sentence does not belong to it.
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

/** The content of `\boxed{…}`, or else the last number. */
function finalNumber(text: string): string | undefined {
  const boxed = /\\boxed\{([^{}]*)\}/.exec(text)?.[1];
  return plainMath(boxed ?? text)
    .match(/-?\d+(?:\.\d+)?/g)
    ?.at(-1);
}
