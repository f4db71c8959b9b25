/** The calculator as a tool: `48 / 2` gives `24`. A bad expression throws a short message for the model to read. */
import { z } from "zod";
import { type Tool, tool } from "../tool.js";
import { evaluate } from "./evaluate.js";
import { format } from "./format.js";

/** The value of an arithmetic expression as a decimal: calculate("20% of 1,250") is "250". Throws CalculatorError. */
export function calculate(expression: string): string {
  return format(evaluate(expression));
}

export function calculator(): Tool<{ expression: string }> {
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
