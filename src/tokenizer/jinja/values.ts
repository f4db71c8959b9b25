/**
 * The values of Jinja as Python has them: `bigint` is int, `number` is float, `null` is None, an array is a list.
 * Dicts keep their order and tell 1 from "1"; equality, order and truth are Python's.
 */
import type { Budget } from "./budget.js";
import { isStr, type Str, textOf } from "./text.js";

export type Value =
  | null
  | boolean
  | bigint
  | number
  | Str
  | Value[]
  | Tuple
  | Dict
  | View
  | Namespace
  | Callable
  | Undefined;

export class Tuple {
  constructor(readonly items: Value[]) {}
}

/**
 * Python's values that are iterated over without being lists: `range`, a dict's `items()`, `keys()`, `values()`, and a
 * generator (`map`, `select`), which is true even when it is empty, has no length and is empty once it was iterated
 * over.
 */
export class View {
  #items: readonly Value[];
  constructor(
    readonly kind: "range" | "generator" | "dict_items" | "dict_keys" | "dict_values",
    items: readonly Value[],
    /** How it prints; a generator does not. */
    readonly label = "",
  ) {
    this.#items = items;
  }

  get items(): readonly Value[] {
    return this.#items;
  }

  get size(): number | undefined {
    return this.kind === "generator" ? undefined : this.#items.length;
  }

  take(): Value[] {
    const items = [...this.#items];
    if (this.kind === "generator") this.#items = [];
    return items;
  }
}

/** A variable, attribute or element that is not there. It is empty and false; using it otherwise is an error. */
export class Undefined {
  constructor(readonly what: string) {}
}

export class Namespace {
  constructor(readonly attributes: Map<string, Value>) {}
}

export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: Value[], named: Map<string, Value>) => Value,
  ) {}
}

export class TypeFault extends Error {}

type Key = string | bigint | number | null;

export class Dict {
  readonly #entries = new Map<Key, [key: Value, value: Value]>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(keyOf(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(keyOf(key));
  }

  set(key: Value, value: Value): void {
    const id = keyOf(key);
    const entry = this.#entries.get(id);
    if (entry) entry[1] = value;
    else this.#entries.set(id, [key, value]);
  }

  entries(): [Value, Value][] {
    return [...this.#entries.values()];
  }
}

/** Strings are equal whoever wrote them, and 1, 1.0 and True are one key. */
function keyOf(key: Value): Key {
  if (isStr(key)) return textOf(key);
  if (key === null || typeof key === "bigint") return key;
  if (typeof key === "boolean") return key ? 1n : 0n;
  if (typeof key === "number") return Number.isInteger(key) ? BigInt(key) : key;
  throw new TypeFault(`a ${typeName(key)} cannot be a key`);
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (isStr(value)) return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof Dict) return "dict";
  if (value instanceof View) return value.kind;
  if (value instanceof Namespace) return "namespace";
  if (value instanceof Callable) return "function";
  if (value instanceof Undefined) return "Undefined";
  return { boolean: "bool", bigint: "int", number: "float" }[typeof value as "boolean" | "bigint" | "number"];
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (isStr(value)) return textOf(value) !== "";
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof View) return value.size !== 0;
  if (typeof value === "boolean") return value;
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "number") return value !== 0;
  return true;
}

export type Numeric = boolean | bigint | number;

export function isNumeric(value: Value): value is Numeric {
  return typeof value === "boolean" || typeof value === "bigint" || typeof value === "number";
}

/** `value`, or `otherwise` where there is none. None is a value, so `??` would not do. */
export function or<T extends Value | undefined>(value: Value | undefined, otherwise: T): Value | T {
  return value === undefined ? otherwise : value;
}

/** bool as int. */
export function plainNumber(value: Numeric): bigint | number {
  return typeof value === "boolean" ? (value ? 1n : 0n) : value;
}

export function items(value: Value): Value[] | undefined {
  return Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined;
}

export function isEqual(left: Value, right: Value, budget: Budget): boolean {
  budget.spend(1);
  if (isNumeric(left) && isNumeric(right)) {
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number of the same value are equal.
    return plainNumber(left) == plainNumber(right);
  }
  if (isStr(left) && isStr(right)) {
    const [a, b] = [textOf(left), textOf(right)];
    if (a.length !== b.length) return false;
    budget.read(a.length);
    return a === b;
  }
  if (left instanceof Undefined) return right instanceof Undefined;
  if (left instanceof Dict && right instanceof Dict) {
    if (left.size !== right.size) return false;
    return left.entries().every(([key, value]) => {
      const other = right.get(key);
      return other !== undefined && isEqual(value, other, budget);
    });
  }
  const [a, b] = [items(left), items(right)];
  if (a && b) {
    if (Array.isArray(left) !== Array.isArray(right) || a.length !== b.length) return false;
    return a.every((item, index) => isEqual(item, b[index]!, budget));
  }
  return left === right;
}

/** Negative, 0 or positive; throws where Python has no order. */
export function order(left: Value, right: Value, budget: Budget): number {
  budget.spend(1);
  if (isNumeric(left) && isNumeric(right)) {
    const [a, b] = [plainNumber(left), plainNumber(right)];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (isStr(left) && isStr(right)) {
    const [a, b] = [textOf(left), textOf(right)];
    budget.read(Math.min(a.length, b.length));
    return orderTexts(a, b);
  }
  const [a, b] = [items(left), items(right)];
  if (a && b && Array.isArray(left) === Array.isArray(right)) {
    for (let at = 0; at < Math.min(a.length, b.length); at++) {
      if (!isEqual(a[at]!, b[at]!, budget)) return order(a[at]!, b[at]!, budget);
    }
    return a.length - b.length;
  }
  throw new TypeFault(`${typeName(left)} and ${typeName(right)} have no order`);
}

/** By code points; JavaScript compares UTF-16 units. */
function orderTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (!/[\uD800-\uDFFF]/.test(a + b)) return a < b ? -1 : 1;
  let at = 0;
  while (at < a.length && at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at > 0 && /[\uD800-\uDBFF]/.test(a[at - 1]!)) at--;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}

/** The elements that a `for` iterates over. */
export function iterate(value: Value, characters: (text: Str) => Value[]): Value[] {
  if (value instanceof Undefined) return [];
  if (value instanceof Dict) return value.entries().map(([key]) => key);
  if (isStr(value)) return characters(value);
  if (value instanceof View) return value.take();
  const list = items(value);
  if (list) return list;
  throw new TypeFault(`a ${typeName(value)} cannot be iterated over`);
}
