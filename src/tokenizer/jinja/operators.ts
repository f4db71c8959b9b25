/** Binary and unary operators, with Python's types and results. */
import { BoundError, type Budget } from "./budget.js";
import { percentFormat } from "./percent-format.js";
import { concat, isStr, textOf } from "./text.js";
import {
  Dict,
  isEqual,
  isNumeric,
  isTrue,
  items,
  order,
  plainNumber,
  Tuple,
  TypeFault,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.js";
import { toText } from "./write.js";

export function binary(operator: string, left: Value, right: Value, budget: Budget): Value {
  switch (operator) {
    case "==":
      return isEqual(left, right, budget);
    case "!=":
      return !isEqual(left, right, budget);
    case "in":
      return contains(right, left, budget);
    case "not in":
      return !contains(right, left, budget);
    case "~": {
      const [a, b] = [toText(left, budget), toText(right, budget)];
      budget.append(textOf(a).length, textOf(b).length);
      return concat(a, b);
    }
  }
  for (const side of [left, right])
    if (side instanceof Undefined) throw new TypeFault(`${side.what} is undefined`);
  switch (operator) {
    case "<":
      return order(left, right, budget) < 0;
    case "<=":
      return order(left, right, budget) <= 0;
    case ">":
      return order(left, right, budget) > 0;
    case ">=":
      return order(left, right, budget) >= 0;
  }
  if (isNumeric(left) && isNumeric(right))
    return arithmetic(operator, plainNumber(left), plainNumber(right), budget);
  if (operator === "+") {
    if (isStr(left) && isStr(right)) {
      budget.append(textOf(left).length, textOf(right).length);
      return concat(left, right);
    }
    const [a, b] = [items(left), items(right)];
    if (a && b && Array.isArray(left) === Array.isArray(right)) {
      budget.list(a.length + b.length);
      return Array.isArray(left) ? [...a, ...b] : new Tuple([...a, ...b]);
    }
  }
  if (operator === "*") {
    const repeated = repeat(left, right, budget) ?? repeat(right, left, budget);
    if (repeated !== undefined) return repeated;
  }
  if (operator === "%" && isStr(left)) return percentFormat(left, right, budget);
  throw new TypeFault(`${typeName(left)} ${operator} ${typeName(right)} is not possible`);
}

function contains(container: Value, item: Value, budget: Budget): boolean {
  if (container instanceof Undefined) return false;
  if (container instanceof Dict) {
    if (isStr(item)) budget.read(textOf(item).length);
    return container.has(item);
  }
  if (isStr(container)) {
    if (!isStr(item)) throw new TypeFault(`a ${typeName(item)} cannot be in a str`);
    budget.search(textOf(container).length, textOf(item).length);
    return textOf(container).includes(textOf(item));
  }
  const list = container instanceof View ? container.take() : items(container);
  if (!list) throw new TypeFault(`a ${typeName(container)} has no elements to look in`);
  return list.some((element) => isEqual(element, item, budget));
}

function repeat(value: Value, times: Value, budget: Budget): Value | undefined {
  if (typeof times !== "bigint" && typeof times !== "boolean") return undefined;
  const count = Math.max(0, Number(times));
  if (isStr(value)) {
    budget.make(textOf(value).length * count);
    budget.spend(count);
    let out = textOf(value) === "" ? ("" as typeof value) : value;
    if (count === 0) return "";
    // Doubling shares what is already there.
    let made = 1;
    while (made * 2 <= count && textOf(value) !== "") {
      out = concat(out, out);
      made *= 2;
    }
    for (; made < count && textOf(value) !== ""; made++) out = concat(out, value);
    return out;
  }
  const list = items(value);
  if (!list) return undefined;
  budget.list(list.length * count);
  const out = Array.from({ length: list.length * count }, (_, at) => list[at % list.length]!);
  return Array.isArray(value) ? out : new Tuple(out);
}

function arithmetic(operator: string, left: bigint | number, right: bigint | number, budget: Budget): Value {
  if (operator !== "/" && typeof left === "bigint" && typeof right === "bigint") {
    return integers(operator, left, right, budget);
  }
  const [a, b] = [Number(left), Number(right)];
  if (b === 0 && (operator === "/" || operator === "//" || operator === "%"))
    throw new TypeFault("division by zero");
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%": {
      const rest = a % b;
      return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
    }
    case "**": {
      const result = a ** b;
      if (!Number.isFinite(result)) throw new TypeFault("the power is not a finite number");
      return result;
    }
  }
  throw new TypeFault(`no operator ${operator} for numbers`);
}

function integers(operator: string, left: bigint, right: bigint, budget: Budget): Value {
  const bits = (value: bigint) => value.toString(16).length * 4;
  switch (operator) {
    case "+":
    case "-":
      budget.integer(Math.max(bits(left), bits(right)) + 1);
      return operator === "+" ? left + right : left - right;
    case "*":
      budget.integer(bits(left) + bits(right));
      return left * right;
    case "//":
    case "%": {
      if (right === 0n) throw new TypeFault("division by zero");
      const rest = ((left % right) + right) % right; // the divisor's sign, as Python's
      return operator === "%" ? rest : (left - rest) / right;
    }
    case "**": {
      if (right < 0n) return Number(left) ** Number(right);
      if (right > 1_000_000n && left !== 0n && left !== 1n && left !== -1n)
        throw new BoundError("a power too large");
      budget.integer(left >= -1n && left <= 1n ? 1 : bits(left) * Number(right));
      return left ** right;
    }
  }
  throw new TypeFault(`no operator ${operator} for whole numbers`);
}

export function unary(operator: string, value: Value): Value {
  if (operator === "not") return !isTrue(value);
  if (value instanceof Undefined) throw new TypeFault(`${value.what} is undefined`);
  if (!isNumeric(value)) throw new TypeFault(`${operator}${typeName(value)} is not possible`);
  const number = plainNumber(value);
  return operator === "-" ? -number : number;
}
