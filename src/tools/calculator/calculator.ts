/** The calculator as a tool: `48 / 2` gives `24`. A bad expression throws a short message for the model to read. */

import { z } from "zod";
import { ofArguments } from "../../errors/arguments.js";
import { type Tool, tool } from "../tool.js";
import { evaluate } from "./evaluate.js";
import { format } from "./format.js";

/**
 * The value of an arithmetic expression, as a decimal number in text.
 *
 * @throws CalculatorError with a short reason when the expression cannot be evaluated.
 * @example
 * calculate("20% of 1,250"); // "250"
 */
export function calculate(expression: string): string {
  return ofArguments("calculate", "an expression as text", () => {
    return format(evaluate(expression));
  });
}

/** The input of the calculator. */
export interface CalculatorInput {
  /** An arithmetic expression: `48 / 2`, `20% of 1,250`, `sqrt(2)`. */
  expression: string;
}

/**
 * The calculator as a tool named `calculator`, with the tag `math_exp`. An expression that cannot be evaluated is a tool
 * error, whose short reason the model sees.
 *
 * @example
 * const task = calculatorTask(calculator());
 */
export function calculator(): Tool<CalculatorInput> {
  return tool({
    name: "calculator",
    description:
      "Evaluates an arithmetic expression, such as 48 / 2, 20% of 1,250 or sqrt(2) * (3 - 1). " +
      "Knows + - * / // % ** and parentheses, sqrt, abs, round, floor, ceil, min, max, sum, mean, log, ln, exp, pi, e.",
    inputSchema: z.object({ expression: z.string().describe("The expression") }),
    tag: "math_exp",
    execute: ({ expression }) => calculate(expression),
  });
}
