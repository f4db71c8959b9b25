/**
 * The calculator's numbers: exact fractions as long as they stay small, double precision from then on.
 *
 * Exact numbers are in lowest terms with a positive denominator and at most EXACT_BITS bits on either side; no number
 * exceeds LIMIT in magnitude. So 0.1 + 0.2 is 0.3, 1/3 * 3 is 1, and floor(0.7 / 0.1) is 7.
 */
import { CalculatorError } from "./calculator-error.js";

export interface Exact {
  numerator: bigint;
  denominator: bigint; // > 0, coprime to the numerator
}

/** A double is a value that could not be kept exact. */
export type Value = Exact | number;

export const LIMIT = 1e100;
const EXACT_BITS = 400;
const EXACT_LIMIT = 1n << BigInt(EXACT_BITS);
const MAX_EXPONENT = 10_000;

export function isExact(value: Value): value is Exact {
  return typeof value !== "number";
}

export function toNumber(value: Value): number {
  return isExact(value) ? Number(value.numerator) / Number(value.denominator) : value;
}

export function integer(value: number | bigint): Exact {
  return { numerator: BigInt(value), denominator: 1n };
}

/** Digits without separators, with an optional fraction and exponent: "1250.5e-3". */
export function parseDecimal(text: string): Value {
  const [, whole = "", places = "", exponent = "0"] = /^(\d*)\.?(\d*)(?:[eE]([-+]?\d+))?$/.exec(text)!;
  const scale = Number(exponent) - places.length;
  if (Math.abs(scale) > 200) return inexact(Number(text));
  const digits = BigInt(`${whole}${places}`);
  return scale >= 0 ? fraction(digits * 10n ** BigInt(scale), 1n) : fraction(digits, 10n ** BigInt(-scale));
}

/** numerator / denominator as a value; throws on a zero denominator and on numbers that are too large. */
export function fraction(numerator: bigint, denominator: bigint): Value {
  if (denominator === 0n) throw new CalculatorError("division by zero");
  const divisor = gcd(numerator, denominator) * (denominator < 0n ? -1n : 1n);
  const n = numerator / divisor;
  const d = denominator / divisor;
  if (n < EXACT_LIMIT && n > -EXACT_LIMIT && d < EXACT_LIMIT) {
    checkMagnitude(Number(n) / Number(d));
    return { numerator: n, denominator: d };
  }
  return inexact(ratio(n, d));
}

/** A double as a value; throws where it is not a number or too large. */
export function inexact(value: number): number {
  if (Number.isNaN(value)) throw new CalculatorError("no real result");
  checkMagnitude(value);
  return value;
}

function checkMagnitude(value: number): void {
  if (!(Math.abs(value) <= LIMIT)) throw new CalculatorError("the result is too large");
}

/** Both sides may be too large for a double although their ratio is not. */
function ratio(numerator: bigint, denominator: bigint): number {
  const excess = Math.max(bits(numerator), bits(denominator)) - 1_000;
  if (excess <= 0) return Number(numerator) / Number(denominator);
  return Number(numerator >> BigInt(excess)) / Number(denominator >> BigInt(excess));
}

function bits(value: bigint): number {
  return (value < 0n ? -value : value).toString(16).length * 4;
}

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x === 0n ? 1n : x;
}

export function add(a: Value, b: Value): Value {
  if (!isExact(a) || !isExact(b)) return inexact(toNumber(a) + toNumber(b));
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

export function negate(a: Value): Value {
  return isExact(a) ? { numerator: -a.numerator, denominator: a.denominator } : -a;
}

export function subtract(a: Value, b: Value): Value {
  return add(a, negate(b));
}

export function multiply(a: Value, b: Value): Value {
  if (!isExact(a) || !isExact(b)) return inexact(toNumber(a) * toNumber(b));
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function divide(a: Value, b: Value): Value {
  if (isZero(b)) throw new CalculatorError("division by zero");
  if (!isExact(a) || !isExact(b)) return inexact(toNumber(a) / toNumber(b));
  return fraction(a.numerator * b.denominator, a.denominator * b.numerator);
}

export function floor(a: Value): Value {
  if (!isExact(a)) return Math.floor(snap(a));
  const quotient = a.numerator / a.denominator;
  const down = a.numerator < 0n && quotient * a.denominator !== a.numerator;
  return integer(down ? quotient - 1n : quotient);
}

export function floorDivide(a: Value, b: Value): Value {
  return floor(divide(a, b));
}

/** The remainder with the divisor's sign, as in Python. */
export function modulo(a: Value, b: Value): Value {
  return subtract(a, multiply(b, floorDivide(a, b)));
}

/** Half away from zero, as in school; `digits` after the point, negative ones before it. */
export function round(a: Value, digits: number): Value {
  if (!Number.isInteger(digits) || Math.abs(digits) > 30) {
    throw new CalculatorError("round takes a whole number of digits from -30 to 30");
  }
  const scale = digits >= 0 ? integer(10n ** BigInt(digits)) : fraction(1n, 10n ** BigInt(-digits));
  const half = fraction(1n, 2n);
  const scaled = multiply(isNegative(a) ? negate(a) : a, scale);
  const rounded = divide(floor(add(scaled, half)), scale);
  return isNegative(a) ? negate(rounded) : rounded;
}

export function power(base: Value, exponent: Value): Value {
  if (isZero(base) && isNegative(exponent)) throw new CalculatorError("division by zero");
  const power = toNumber(exponent);
  if (isExact(base) && isExact(exponent) && exponent.denominator === 1n && Math.abs(power) <= MAX_EXPONENT) {
    const size = Math.max(bits(base.numerator), bits(base.denominator)) * Math.abs(power);
    if (size <= 2 * EXACT_BITS) {
      const n = base.numerator ** BigInt(Math.abs(power));
      const d = base.denominator ** BigInt(Math.abs(power));
      return power >= 0 ? fraction(n, d) : fraction(d, n);
    }
  }
  return inexact(toNumber(base) ** power);
}

export function isZero(a: Value): boolean {
  return isExact(a) ? a.numerator === 0n : a === 0;
}

export function isNegative(a: Value): boolean {
  return isExact(a) ? a.numerator < 0n : a < 0;
}

/** The whole number that a double misses only by rounding error. */
function snap(value: number): number {
  const near = Math.round(value);
  return Math.abs(value - near) <= 1e-9 * Math.max(1, Math.abs(value)) ? near : value;
}
