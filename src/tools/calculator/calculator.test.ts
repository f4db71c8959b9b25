import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { processorTime } from "../../../tests/support/processor-time.js";
import { CalculatorError, calculate, calculator } from "./index.js";

describe("calculate", () => {
  it.each([
    ["48 / 2", "24"],
    ["48+24", "72"],
    ["1/3", "0.333333333333"],
    ["2/3", "0.666666666667"],
    ["0.1 + 0.2", "0.3"],
    ["1/3*3", "1"],
    ["-7", "-7"],
    ["- 7 + 2", "-5"],
    ["--7", "7"],
    ["2 - -3", "5"],
    ["2*-3", "-6"],
    ["0 * -1", "0"],
    ["1,234 + 1", "1235"],
    ["1,234,567.5 * 2", "2469135"],
    ["$1,000 / 4", "250"],
    ["$5 + $3.50", "8.5"],
    ["$(2+3)", "5"],
    ["20%", "0.2"],
    ["20% of 50", "10"],
    ["50% of 20% of 100", "10"],
    ["100 - 10%", "99.9"],
    ["10 % 3", "1"],
    ["-7 % 3", "2"],
    ["10%-3", "-2.9"],
    ["(30)%", "0.3"],
    ["1/2 of 80", "40"],
    ["3 x 4", "12"],
    ["3x4", "12"],
    ["3X4", "12"],
    ["3 × 4", "12"],
    ["12 ÷ 4", "3"],
    ["5 − 3", "2"],
    ["2 ** 10", "1024"],
    ["2^10", "1024"],
    ["2^3^2", "512"],
    ["-2^2", "-4"],
    ["(-2)^2", "4"],
    ["2^-1", "0.5"],
    ["4^0.5", "2"],
    ["2**0.5", "1.41421356237"],
    ["7 // 2", "3"],
    ["-7 // 2", "-4"],
    ["7.5//2", "3"],
    ["(2 + 3) * (4 - 1)", "15"],
    ["2 + 3 * 4", "14"],
    ["[2+3]*2", "10"],
    ["10 - 4 - 3", "3"],
    ["100 / 10 / 2", "5"],
    ["sqrt(16)", "4"],
    ["sqrt(2)", "1.41421356237"],
    ["sqrt(1/4)", "0.5"],
    ["abs(-3)", "3"],
    ["round(2.5)", "3"],
    ["round(-2.5)", "-3"],
    ["round(3.14159, 2)", "3.14"],
    ["round(1234, -2)", "1200"],
    ["floor(-1.5)", "-2"],
    ["ceil(1.2)", "2"],
    ["floor(0.7/0.1)", "7"],
    ["min(3, 1, 2)", "1"],
    ["max(100,200)", "200"],
    ["max((1,000 + 1), 3)", "1001"],
    ["sum(1,2,3)", "6"],
    ["mean(1,2)", "1.5"],
    ["log(e)", "1"],
    ["ln(1)", "0"],
    ["log(8, 2)", "3"],
    ["log10(1000)", "3"],
    ["log2(8)", "3"],
    ["exp(0)", "1"],
    ["LOG10(10)", "1"],
    ["pi", "3.14159265359"],
    ["2*π", "6.28318530718"],
    ["e^2", "7.38905609893"],
    ["sin(0)", "0"],
    ["5!", "120"],
    ["gcd(12, 18)", "6"],
    ["48/2 =", "24"],
    ["48/2 = ?", "24"],
    ["  3 \n + 4\t", "7"],
    ["1e3", "1000"],
    ["1.5e-3", "0.0015"],
    [".5 + .25", "0.75"],
    ["5.", "5"],
    ["123456789 * 987654321", "121932631112635269"],
    ["2^80", "1208925819614629174706176"],
    ["1/8", "0.125"],
    ["10^-7", "0.0000001"],
    ["0.07*100", "7"],
    ["1234567890123.45 * 1", "1234567890123.45"],
    ["10^20", "100000000000000000000"],
    ["3 times 4", "12"],
  ])("%s -> %s", (expression, result) => {
    expect(calculate(expression)).toBe(result);
  });

  it.each([
    ["", "the expression is empty"],
    ["  =", "the expression is empty"],
    ["1 +", "the expression ends too early"],
    ["* 2", 'a number is missing before "*"'],
    ["(1 + 2", '")" is missing'],
    ["1 + 2)", '")" without "("'],
    ["1 / 0", "division by zero"],
    ["1 // 0", "division by zero"],
    ["1 % (2-2)", "division by zero"],
    ["0^-1", "division by zero"],
    ["2 3", 'an operator is missing before "3"'],
    ["2(3)", 'an operator is missing before "("'],
    ["2pi", 'an operator is missing before "pi"'],
    ["5 apples", 'an operator is missing before "apples"'],
    ["apples", 'unknown name "apples"'],
    ["sqrt 4", '"sqrt" needs parentheses'],
    ["sqrt()", 'a number is missing before ")"'],
    ["sqrt(1, 2)", '"sqrt" does not take 2 values'],
    ["sqrt(-1)", "the square root of a negative number"],
    ["(-8)^(1/3)", "no real result"],
    ["log(0)", "the logarithm of a number that is not positive"],
    ["log(5, 1)", "a logarithm needs a positive base other than 1"],
    ["9^9^9", "the result is too large"],
    ["1e101", "the result is too large"],
    ["exp(1000)", "the result is too large"],
    ["70!", "the result is too large"],
    ["171!", "factorial takes whole numbers from 0 to 69"],
    ["2.5!", "factorial takes whole numbers"],
    ["48/2=24", '"=" is not allowed: give one expression'],
    ["x + 2", 'a number is missing before "*"'],
    ["1; 2", 'cannot read ";"'],
    ["$", '"$" without an amount'],
    ["🙂", 'cannot read "🙂"'],
    ["1,23", 'an operator is missing before ","'],
    ["constructor", 'unknown name "constructor"'],
    ["__proto__", 'cannot read "_"'],
    ["toString(1)", 'unknown name "tostring"'],
    ["round(1, 0.5)", "round takes a whole number of digits from -30 to 30"],
    [`${"(".repeat(60)}1${")".repeat(60)}`, "the expression is nested too deeply"],
    [`${"2^".repeat(60)}1`, "the expression is nested too deeply"],
    [`${"1+".repeat(240)}1${"+1".repeat(5)}`, undefined],
    [`${"-".repeat(400)}1`, "the expression has more than 300 operations"],
    ["1".repeat(501), "the expression is longer than 500 characters"],
  ])("%s: %s", (expression, message) => {
    if (message === undefined) return expect(calculate(expression)).toBe("246");
    expect(() => calculate(expression)).toThrow(CalculatorError);
    expect(() => calculate(expression)).toThrow(new CalculatorError(message));
  });

  it("survives 100,000 random expressions: its own error or a bounded number, in under 3 s", () => {
    let state = 12345;
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const parts = [
      "1",
      "2",
      "0",
      "9.99",
      "1,000",
      ".",
      ",",
      "%",
      "$",
      "**",
      "^",
      "//",
      "/",
      "*",
      "-",
      "+",
      "(",
      ")",
      "!",
      " of ",
      "x",
      "e",
      "e9",
      "pi",
      "=",
      "sqrt(",
      "log(",
      "round(",
      "max(",
      "factorial(",
      "exp(",
      "pow(",
      "1e99",
      "1e-99",
      "999999999999999999999",
      "é",
      "\u0000",
      "\ud800",
      "constructor",
      "[",
      "]",
      " ",
    ];
    const before = processorTime();
    let values = 0;
    for (let trial = 0; trial < 100_000; trial++) {
      let expression = "";
      for (let length = next(14); length >= 0; length--) expression += parts[next(parts.length)];
      try {
        const result = calculate(expression);
        values++;
        if (
          !/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(result) ||
          result.length > 32 ||
          Math.abs(Number(result)) > 1.0001e100
        ) {
          throw new TypeError(`${expression} -> ${result}`);
        }
      } catch (error) {
        if (!(error instanceof CalculatorError) || error.message.length > 80) {
          throw new TypeError(`${expression}: ${error}`);
        }
      }
    }
    expect(values).toBeGreaterThan(2_000);
    expect(processorTime() - before).toBeLessThan(3_000);
  });

  it("agrees with JavaScript on random arithmetic", () => {
    let state = 99;
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const build = (depth: number): string => {
      if (depth === 0 || next(4) === 0) return `${next(90) + 1}${next(2) ? "" : `.${next(100)}`}`;
      const inner = `${build(depth - 1)} ${["+", "-", "*", "/", "**"][next(next(9) === 0 ? 5 : 4)]} ${build(depth - 1)}`;
      return next(2) ? `(${inner})` : `${inner}`;
    };
    let compared = 0;
    for (let trial = 0; trial < 3_000; trial++) {
      const expression = build(3);
      const expected: number = new Function(`return ${expression}`)();
      if (!(Math.abs(expected) < 1e90) || (expected !== 0 && Math.abs(expected) < 1e-90)) continue;
      const result = attempt(expression);
      if (result === "the result is too large") continue; // of a part that JavaScript holds, such as 9e200
      // A sum that cancels has no digits of its own left in double precision.
      expect(Number(result), expression).toSatisfy(
        (value: number) => Math.abs(value - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
      );
      compared++;
    }
    expect(compared).toBeGreaterThan(2_500);
  });
});

function attempt(expression: string): string {
  try {
    return calculate(expression);
  } catch (error) {
    return (error as Error).message;
  }
}

describe("calculator", () => {
  it("is a tool with the paper's tag", async () => {
    const tool = calculator();
    expect(tool.tag).toBe("math_exp");
    expect(await tool.execute({ expression: "48 / 2" }, {})).toBe("24");
    expect(tool.inputSchema.safeParse({ expression: 3 }).success).toBe(false);
  });
});

const gsm8k = join(
  process.env.SWIRL_SHARED ?? join(import.meta.dirname, "../../../../shared"),
  "data/gsm8k/train.jsonl",
);
it.skipIf(!existsSync(gsm8k))("gives the results that GSM8K's annotations give", () => {
  let right = 0;
  const wrong: string[] = [];
  const text = readFileSync(gsm8k, "utf8");
  for (const [, expression, result] of text.matchAll(/<<([^<>=]+)=([^<>]+)>>/g)) {
    const ours = attempt(expression!);
    const expected = Number(result!.replace(/[$,%]/g, ""));
    // The annotations round as their authors liked.
    if (Math.abs(Number(ours) - expected) <= 0.011 * Math.max(1, Math.abs(expected))) right++;
    else wrong.push(`${expression} = ${result}, not ${ours}`);
  }
  expect(right).toBeGreaterThan(20_000);
  expect(wrong.length / (right + wrong.length), wrong.slice(0, 40).join("\n")).toBeLessThan(0.005);
});
