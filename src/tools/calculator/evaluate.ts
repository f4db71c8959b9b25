/**
 * Evaluates an arithmetic expression: precedence climbing over its own grammar; no code is ever run.
 *
 *   sum      product (("+" | "-") product)*
 *   product  unary (("*" | "/" | "//" | "%" | "of" | "x") unary)*
 *   unary    ("-" | "+")* power
 *   power    postfix ("**" unary)?                                  right to left; -2 ** 2 is -4
 *   postfix  primary ("%" | "!")*                                    "%" is modulo where an operand follows
 *   primary  number | constant | function "(" sum ("," sum)* ")" | "(" sum ")"
 *
 * Bounded: characters, nesting, operations and magnitude. Throws CalculatorError and nothing else.
 */
import { CalculatorError } from "./calculator-error.js";
import { CONSTANTS, FUNCTIONS, factorial } from "./functions.js";
import { type Lexeme, lex } from "./lexer.js";
import {
  add,
  divide,
  floorDivide,
  integer,
  modulo,
  multiply,
  negate,
  parseDecimal,
  power,
  subtract,
  type Value,
} from "./value.js";

export const MAX_CHARACTERS = 500;
const MAX_DEPTH = 50;
const MAX_OPERATIONS = 300;

const SUMS = new Map([
  ["+", add],
  ["-", subtract],
]);
const PRODUCTS = new Map([
  ["*", multiply],
  ["/", divide],
  ["//", floorDivide],
  ["%", modulo],
]);

export function evaluate(expression: string): Value {
  if (expression.length > MAX_CHARACTERS) {
    throw new CalculatorError(`the expression is longer than ${MAX_CHARACTERS} characters`);
  }
  const text = expression.replace(/=\s*\??\s*$/, "").trim();
  if (text === "") throw new CalculatorError("the expression is empty");
  if (text.includes("=")) throw new CalculatorError('"=" is not allowed: give one expression');
  return new Evaluation(lex(text)).result();
}

class Evaluation {
  #at = 0;
  #depth = 0;
  #operations = 0;

  constructor(private readonly symbols: readonly Lexeme[]) {}

  result(): Value {
    const value = this.#sum();
    const rest = this.#peek();
    if (rest.type === "end") return value;
    if (rest.text === ")") throw new CalculatorError('")" without "("');
    throw new CalculatorError(`an operator is missing before "${rest.text}"`);
  }

  #sum(): Value {
    return this.#chain(SUMS, () => this.#product());
  }

  #product(): Value {
    return this.#chain(PRODUCTS, () => this.#unary());
  }

  #chain(operators: ReadonlyMap<string, (a: Value, b: Value) => Value>, operand: () => Value): Value {
    let value = operand();
    for (;;) {
      const symbol = this.#peek();
      const apply = symbol.type === "operator" ? operators.get(symbol.text) : undefined;
      if (!apply) return value;
      this.#at++;
      this.#count();
      value = apply(value, operand());
    }
  }

  #unary(): Value {
    let negative = false;
    for (; this.#is("-") || this.#is("+"); this.#at++) {
      this.#count();
      if (this.#is("-")) negative = !negative;
    }
    const value = this.#power();
    return negative ? negate(value) : value;
  }

  #power(): Value {
    const base = this.#postfix();
    if (!this.#is("**")) return base;
    this.#at++;
    this.#count();
    return power(
      base,
      this.#nested(() => this.#unary()),
    );
  }

  #postfix(): Value {
    let value = this.#primary();
    for (;;) {
      if (this.#is("!")) value = factorial(value);
      else if (this.#is("%") && !this.#startsOperand(this.#at + 1)) value = divide(value, integer(100));
      else return value;
      this.#at++;
      this.#count();
    }
  }

  #startsOperand(at: number): boolean {
    const symbol = this.symbols[at]!;
    return symbol.type === "number" || symbol.type === "name" || symbol.text === "(";
  }

  #primary(): Value {
    const symbol = this.#peek();
    this.#at++;
    if (symbol.type === "number") return parseDecimal(symbol.text);
    if (symbol.type === "name") return this.#named(symbol.text);
    if (symbol.text === "(") {
      const value = this.#nested(() => this.#sum());
      this.#close();
      return value;
    }
    throw new CalculatorError(
      symbol.type === "end" ? "the expression ends too early" : `a number is missing before "${symbol.text}"`,
    );
  }

  #named(name: string): Value {
    const found = FUNCTIONS.get(name);
    if (!found) {
      const constant = CONSTANTS.get(name);
      if (constant === undefined) throw new CalculatorError(`unknown name "${name.slice(0, 20)}"`);
      return constant;
    }
    if (!this.#is("(")) throw new CalculatorError(`"${name}" needs parentheses`);
    this.#at++;
    const values = this.#nested(() => this.#arguments());
    this.#close();
    const [fewest, most] = found.arity;
    if (values.length < fewest || values.length > most) {
      throw new CalculatorError(`"${name}" does not take ${values.length} values`);
    }
    this.#count();
    return found.apply(...values);
  }

  #arguments(): Value[] {
    const values = [this.#sum()];
    while (this.#is(",")) {
      this.#at++;
      values.push(this.#sum());
    }
    return values;
  }

  #close(): void {
    if (!this.#is(")")) throw new CalculatorError('")" is missing');
    this.#at++;
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new CalculatorError("the expression is nested too deeply");
    const value = read();
    this.#depth--;
    return value;
  }

  #count(): void {
    if (++this.#operations > MAX_OPERATIONS) {
      throw new CalculatorError(`the expression has more than ${MAX_OPERATIONS} operations`);
    }
  }

  #peek(): Lexeme {
    return this.symbols[this.#at]!;
  }

  #is(operator: string): boolean {
    const symbol = this.#peek();
    return symbol.type === "operator" && symbol.text === operator;
  }
}
