/**
 * An expression as symbols. `1,234.5` is one number, except directly inside a function's parentheses, where a comma
 * separates arguments. Currency signs before a number are dropped; `x × · of ÷ −` and `^` become `*`, `/`, `-`, `**`.
 */
import { CalculatorError } from "./calculator-error.js";
import { FUNCTIONS } from "./functions.js";

export type Lexeme =
  | { type: "number"; text: string }
  | { type: "name"; text: string }
  | { type: "operator"; text: string }
  | { type: "end"; text: "" };

const NUMBER = /(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)?(?:\.\d+|\.(?!\d))?(?:[eE][-+]?\d{1,4}(?![\d.]))?/y;
const PLAIN_NUMBER = /(?:\d+)?(?:\.\d+|\.(?!\d))?(?:[eE][-+]?\d{1,4}(?![\d.]))?/y;
const NAME = /log10|log2|π|[A-Z]+/iy;
const OPERATORS = ["**", "//", "+", "-", "*", "/", "^", "%", "(", ")", ",", "!"];
const SAME_AS: Record<string, string> = {
  "^": "**",
  "×": "*",
  "·": "*",
  "⋅": "*",
  "∗": "*",
  "÷": "/",
  "−": "-",
  "–": "-",
  "[": "(",
  "]": ")",
};
const MULTIPLY = new Set(["x", "X", "of", "OF", "Of", "times"]);
const CURRENCY = new Set(["$", "€", "£", "¥", "₹"]);

export function lex(expression: string): Lexeme[] {
  const symbols: Lexeme[] = [];
  /** For every open parenthesis, whether it belongs to a function. */
  const calls: boolean[] = [];
  let at = 0;
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    return pattern.exec(expression)?.[0] ?? "";
  };
  while (at < expression.length) {
    const character = String.fromCodePoint(expression.codePointAt(at)!);
    if (/\s/.test(character)) {
      at += character.length;
      continue;
    }
    if (CURRENCY.has(character)) {
      at += character.length;
      if (!/^\s*[-(\d.]/.test(expression.slice(at)))
        throw new CalculatorError(`"${character}" without an amount`);
      continue;
    }
    const number = /[\d.]/.test(character) ? match(calls.at(-1) ? PLAIN_NUMBER : NUMBER) : "";
    if (/\d/.test(number)) {
      symbols.push({ type: "number", text: number.replaceAll(",", "") });
      at += number.length;
      continue;
    }
    const name = match(NAME);
    if (name !== "") {
      symbols.push(readName(name));
      at += name.length;
      continue;
    }
    const operator = OPERATORS.find((one) => expression.startsWith(one, at)) ?? character;
    const text = SAME_AS[operator] ?? operator;
    if (!OPERATORS.includes(text)) throw new CalculatorError(`cannot read "${character}"`);
    if (text === "(") calls.push(isFunction(symbols.at(-1)));
    if (text === ")") calls.pop();
    symbols.push({ type: "operator", text });
    at += operator.length;
  }
  symbols.push({ type: "end", text: "" });
  return symbols;
}

function readName(name: string): Lexeme {
  if (MULTIPLY.has(name)) return { type: "operator", text: "*" };
  return { type: "name", text: name.toLowerCase() };
}

function isFunction(symbol: Lexeme | undefined): boolean {
  return symbol?.type === "name" && FUNCTIONS.has(symbol.text);
}
