/** The names an expression may use. Angles are in radians; `log` is natural unless a base is given, as in Python. */
import { CalculatorError } from "./calculator-error.js";
import {
  add,
  divide,
  floor,
  gcd,
  inexact,
  integer,
  isExact,
  isNegative,
  modulo,
  multiply,
  negate,
  power,
  round,
  subtract,
  toNumber,
  type Value,
} from "./value.js";

export interface CalculatorFunction {
  /** Fewest and most arguments. */
  arity: readonly [number, number];
  apply: (...values: Value[]) => Value;
}

const MANY = 100;

function real(apply: (x: number) => number): CalculatorFunction {
  return { arity: [1, 1], apply: (x) => inexact(apply(toNumber(x!))) };
}

function logarithm(x: Value, base: number): Value {
  const value = toNumber(x);
  if (!(value > 0)) throw new CalculatorError("the logarithm of a number that is not positive");
  if (!(base > 0) || base === 1) throw new CalculatorError("a logarithm needs a positive base other than 1");
  if (base === 10) return inexact(Math.log10(value));
  if (base === 2) return inexact(Math.log2(value));
  return inexact(base === Math.E ? Math.log(value) : Math.log(value) / Math.log(base));
}

function squareRoot(x: Value): Value {
  if (isNegative(x)) throw new CalculatorError("the square root of a negative number");
  if (isExact(x)) {
    const n = exactRoot(x.numerator);
    const d = exactRoot(x.denominator);
    if (n !== undefined && d !== undefined) return { numerator: n, denominator: d };
  }
  return inexact(Math.sqrt(toNumber(x)));
}

/** The root of a perfect square that a double holds exactly. */
function exactRoot(x: bigint): bigint | undefined {
  const root = BigInt(Math.round(Math.sqrt(Number(x))));
  return root * root === x ? root : undefined;
}

function wholeNumber(x: Value, name: string): bigint {
  if (!isExact(x) || x.denominator !== 1n) throw new CalculatorError(`${name} takes whole numbers`);
  return x.numerator;
}

export function factorial(x: Value): Value {
  const n = wholeNumber(x, "factorial");
  if (n < 0n || n > 70n) throw new CalculatorError("factorial takes whole numbers from 0 to 69");
  let product = 1n;
  for (let i = 2n; i <= n; i++) product *= i;
  return multiply(integer(product), integer(1));
}

function sum(values: Value[]): Value {
  return values.reduce(add, integer(0));
}

function pick(values: Value[], better: (difference: Value) => boolean): Value {
  return values.reduce((best, value) => (better(subtract(value, best)) ? value : best));
}

export const FUNCTIONS: ReadonlyMap<string, CalculatorFunction> = new Map<string, CalculatorFunction>([
  ["sqrt", { arity: [1, 1], apply: (x) => squareRoot(x!) }],
  ["abs", { arity: [1, 1], apply: (x) => (isNegative(x!) ? negate(x!) : x!) }],
  ["round", { arity: [1, 2], apply: (x, digits) => round(x!, digits === undefined ? 0 : toNumber(digits)) }],
  ["floor", { arity: [1, 1], apply: (x) => floor(x!) }],
  ["ceil", { arity: [1, 1], apply: (x) => negate(floor(negate(x!))) }],
  ["min", { arity: [1, MANY], apply: (...all) => pick(all, isNegative) }],
  ["max", { arity: [1, MANY], apply: (...all) => pick(all, (difference) => isNegative(negate(difference))) }],
  ["sum", { arity: [1, MANY], apply: (...all) => sum(all) }],
  ["mean", { arity: [1, MANY], apply: (...all) => divide(sum(all), integer(all.length)) }],
  ["log", { arity: [1, 2], apply: (x, base) => logarithm(x!, base === undefined ? Math.E : toNumber(base)) }],
  ["ln", { arity: [1, 1], apply: (x) => logarithm(x!, Math.E) }],
  ["log2", { arity: [1, 1], apply: (x) => logarithm(x!, 2) }],
  ["log10", { arity: [1, 1], apply: (x) => logarithm(x!, 10) }],
  ["exp", real(Math.exp)],
  ["sin", real(Math.sin)],
  ["cos", real(Math.cos)],
  ["tan", real(Math.tan)],
  ["pow", { arity: [2, 2], apply: (x, y) => power(x!, y!) }],
  ["mod", { arity: [2, 2], apply: (x, y) => modulo(x!, y!) }],
  ["factorial", { arity: [1, 1], apply: (x) => factorial(x!) }],
  ["gcd", { arity: [2, 2], apply: (x, y) => integer(gcd(wholeNumber(x!, "gcd"), wholeNumber(y!, "gcd"))) }],
]);

export const CONSTANTS: ReadonlyMap<string, Value> = new Map([
  ["pi", Math.PI],
  ["π", Math.PI],
  ["e", Math.E],
]);
