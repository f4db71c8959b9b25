/** The filters that sort, select from and add up lists, and what they share: elements, keys, order. */
import type { Arguments } from "./arguments.js";
import type { Budget } from "./budget.js";
import { attributePath } from "./lookup.js";
import { dictItems, joined } from "./methods.js";
import { binary } from "./operators.js";
import * as strings from "./strings.js";
import { characters, isStr, textOf } from "./text.js";
import {
  Dict,
  iterate,
  or,
  order,
  type Tuple,
  TypeFault,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.js";

/** A filter: its value, its arguments, and the budget that its work is charged to. */
export type Filter = (value: Value, args: Arguments, budget: Budget) => Value;

export function list(value: Value, budget: Budget): Value[] {
  const out = iterate(value, (string) => {
    budget.list(textOf(string).length);
    return characters(string);
  });
  budget.list(out.length);
  return out;
}

export function getter(args: Arguments, budget: Budget, name = "attribute"): (item: Value) => Value {
  const attribute = args.value(name);
  if (attribute === undefined || attribute === null) return (item) => item;
  return (item) => attributePath(item, attribute, budget);
}

export function ignoringCase(value: Value, budget: Budget): Value {
  if (!isStr(value)) return value;
  budget.make(textOf(value).length);
  return strings.lower(value);
}

export function sorted(
  values: Value[],
  key: (item: Value) => Value,
  reverse: boolean,
  budget: Budget,
): Value[] {
  const keyed = values.map((item) => ({ item, key: key(item) }));
  // Python keeps the order of equal elements, also in reverse.
  keyed.sort((a, b) => (reverse ? order(b.key, a.key, budget) : order(a.key, b.key, budget)));
  return keyed.map(({ item }) => item);
}

export function extreme(sign: number): Filter {
  return (value, args, budget) => {
    const get = getter(args, budget);
    const key = (item: Value) => (args.flag("case_sensitive") ? get(item) : ignoringCase(get(item), budget));
    let best: Value | undefined;
    for (const item of list(value, budget)) {
      if (best === undefined || order(key(item), key(best), budget) * sign > 0) best = item;
    }
    return or(best, new Undefined("the extreme of an empty list"));
  };
}

export function unique(value: Value, args: Arguments, budget: Budget): Value {
  const get = getter(args, budget);
  const seen = new Dict();
  const keyOf = (item: Value) => (args.flag("case_sensitive") ? get(item) : ignoringCase(get(item), budget));
  return generator(value, budget, (item) => {
    const key = keyOf(item);
    if (isStr(key)) budget.read(textOf(key).length);
    if (seen.has(key)) return [];
    seen.set(key, true);
    return [item];
  });
}

/** `make` returns the values that replace an element; there may be none. */
export function generator(value: Value, budget: Budget, make: (item: Value) => Value[]): View {
  return new View("generator", list(value, budget).flatMap(make));
}

export function reverse(value: Value, _: Arguments, budget: Budget): Value {
  if (isStr(value)) {
    budget.make(textOf(value).length);
    return joined(characters(value).reverse(), "", budget);
  }
  return new View("generator", [...list(value, budget)].reverse());
}

export function edge(last: boolean): Filter {
  return (value, _, budget) => {
    if (value instanceof Dict && !last) budget.list(value.size);
    if (value instanceof Dict && !last)
      return or(value.entries()[0]?.[0], new Undefined("the first element"));
    return or(list(value, budget).at(last ? -1 : 0), new Undefined(`the ${last ? "last" : "first"} element`));
  };
}

export function sum(value: Value, args: Arguments, budget: Budget): Value {
  const get = getter(args, budget);
  const start: Value = or(args.value("start"), 0n);
  return list(value, budget).reduce<Value>((total, item) => binary("+", total, get(item), budget), start);
}

export function dictsort(value: Value, args: Arguments, budget: Budget): Value {
  if (!(value instanceof Dict)) throw new TypeFault(`dictsort needs a dict, not a ${typeName(value)}`);
  const by = args.plain("by") ?? "key";
  if (by !== "key" && by !== "value") throw new TypeFault('dictsort(): by must be "key" or "value"');
  const key = (pair: Value) => {
    const side = (pair as Tuple).items[by === "key" ? 0 : 1]!;
    return args.flag("case_sensitive") ? side : ignoringCase(side, budget);
  };
  return sorted(dictItems(value, budget), key, args.flag("reverse"), budget);
}
