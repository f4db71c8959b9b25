/** The tests of Jinja: `x is defined`, and by name in `select("odd")`. */
import type { Budget } from "./budget.js";
import { binary } from "./operators.js";
import { isStr, textOf } from "./text.js";
import {
  Callable,
  Dict,
  isEqual,
  isNumeric,
  items,
  plainNumber,
  TypeFault,
  Undefined,
  type Value,
  View,
} from "./values.js";

type Test = (value: Value, argument: Value | undefined, budget: Budget) => boolean;

const remainder = (value: Value, divisor: bigint, budget: Budget) => binary("%", value, divisor, budget);
const compare =
  (operator: string): Test =>
  (value, argument, budget) =>
    binary(operator, value, argument ?? null, budget) === true;

const isSequence = (value: Value) =>
  isStr(value) || items(value) !== undefined || value instanceof Dict || value instanceof Undefined;

const TESTS: Record<string, Test> = {
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  none: (value) => value === null,
  true: (value) => value === true,
  false: (value) => value === false,
  boolean: (value) => typeof value === "boolean",
  string: (value) => isStr(value),
  number: (value) => isNumeric(value),
  integer: (value) => typeof value === "bigint",
  float: (value) => typeof value === "number",
  mapping: (value) => value instanceof Dict,
  sequence: (value) => isSequence(value) || (value instanceof View && value.kind === "range"),
  iterable: (value) => isSequence(value) || value instanceof View,
  callable: (value) => value instanceof Callable,
  odd: (value, _, budget) => isEqual(remainder(value, 2n, budget), 1n, budget),
  even: (value, _, budget) => isEqual(remainder(value, 2n, budget), 0n, budget),
  divisibleby: (value, argument, budget) => {
    const divisor = argument !== undefined && isNumeric(argument) ? plainNumber(argument) : 0n;
    return isEqual(binary("%", value, divisor, budget), 0n, budget);
  },
  upper: (value) =>
    isStr(value) && textOf(value).toUpperCase() === textOf(value) && /\p{L}/u.test(textOf(value)),
  lower: (value) =>
    isStr(value) && textOf(value).toLowerCase() === textOf(value) && /\p{L}/u.test(textOf(value)),
  in: compare("in"),
  ...Object.fromEntries(["==", "eq", "equalto"].map((name) => [name, compare("==")])),
  ...Object.fromEntries(["!=", "ne"].map((name) => [name, compare("!=")])),
  ...Object.fromEntries([">", "gt", "greaterthan"].map((name) => [name, compare(">")])),
  ...Object.fromEntries(["<", "lt", "lessthan"].map((name) => [name, compare("<")])),
  ...Object.fromEntries([">=", "ge"].map((name) => [name, compare(">=")])),
  ...Object.fromEntries(["<=", "le"].map((name) => [name, compare("<=")])),
};

export function passes(name: string, value: Value, argument: Value | undefined, budget: Budget): boolean {
  budget.spend(isStr(value) ? 1 + textOf(value).length / 16 : 1);
  if (!Object.hasOwn(TESTS, name)) throw new TypeFault(`there is no test ${name}`);
  return TESTS[name]!(value, argument, budget);
}
