import { CalculatorError, calculate } from "../../../../src/tools/calculator/index.js";
import { mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";

const WORDS = [
  "1",
  "0",
  "2.5",
  "1,250",
  ".5",
  "1e5",
  "1e-200",
  "9".repeat(40),
  "+",
  "-",
  "*",
  "/",
  "//",
  "%",
  "**",
  "^",
  "(",
  ")",
  ",",
  "sqrt(",
  "abs(",
  "round(",
  "floor(",
  "ceil(",
  "min(",
  "max(",
  "sum(",
  "mean(",
  "log(",
  "ln(",
  "exp(",
  "pi",
  "e",
  " of ",
  "×",
  "÷",
  "−",
  "$",
  "=",
  "x",
  " ",
  "%%",
  "[",
  "]",
  "((((((((((",
  "-".repeat(30),
  "!",
  "_",
  "constructor",
  "2(3)",
];
const SEEDS = [
  "48 / 2",
  "20% of 1,250",
  "sqrt(2) * (3 - 1)",
  "2 ** 10",
  "max(1, 2, 3) - mean(4, 5)",
  "7 // 2 + 7 % 3",
  "round(2.567, 2)",
  "0.1 + 0.2",
  "1 / 3 * 3",
  "-(3 - 5) ** 2",
  "10 ** 99 * 9",
  "exp(log(5))",
];

/** A result is a number that gives itself again, the same in parentheses, and with the other sign behind a minus. */
export const calculator: FuzzedParser = {
  name: "calculator",
  input: (random) => mutateText(random, SEEDS, WORDS),
  read: (text) => {
    const result = calculate(text);
    must(/^-?\d+(?:\.\d+)?(?:e[-+]\d+)?$/.test(result), "a result is a decimal number");
    must(Number(calculate(result)) === Number(result), "a result is its own result");
    const negated = calculate(`-(${text})`);
    must(Number(negated) === -Number(result), "a minus in front of parentheses changes the sign alone");
    return result;
  },
  refuses: (error) => error instanceof CalculatorError,
};
