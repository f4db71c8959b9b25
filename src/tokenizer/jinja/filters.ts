/** The filters of Jinja that chat templates use, with `tojson` as transformers defines it (json.dumps without escapes). */
import { Arguments } from "./arguments.js";
import type { Budget } from "./budget.js";
import {
  dictsort,
  edge,
  extreme,
  type Filter,
  generator,
  getter,
  ignoringCase,
  list,
  reverse,
  sorted,
  sum,
  unique,
} from "./list-filters.js";
import { attributePath } from "./lookup.js";
import { dictItems, joined, textLength } from "./methods.js";
import { round, toFloat, toInteger } from "./number-filters.js";
import { passes } from "./predicates.js";
import * as strings from "./strings.js";
import { concat, isStr, type Str, textOf } from "./text.js";
import {
  Dict,
  isNumeric,
  isTrue,
  items,
  or,
  plainNumber,
  TypeFault,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.js";
import { toJson, toText } from "./write.js";

type Table = Record<string, [names: string[], filter: Filter]>;

const text =
  (change: (value: Str, args: Arguments, budget: Budget) => Value): Filter =>
  (value, args, budget) => {
    const written = toText(value, budget);
    budget.make(textOf(written).length);
    return change(written, args, budget);
  };

function length(value: Value, budget: Budget): bigint {
  if (isStr(value)) return textLength(value, budget);
  if (value instanceof Undefined) return 0n;
  const size = value instanceof Dict || value instanceof View ? value.size : items(value)?.length;
  if (size === undefined) throw new TypeFault(`a ${typeName(value)} has no length`);
  return BigInt(size);
}

function indent(value: Str, args: Arguments, budget: Budget): Str {
  const width = args.value("width");
  const columns = width !== undefined && isStr(width) ? textOf(width).length : args.integer("width", 4);
  budget.make(columns);
  const indention: Str = width !== undefined && isStr(width) ? width : " ".repeat(columns);
  const lines = strings.splitLines(concat(value, "\n"), budget);
  const blank = args.flag("blank");
  budget.make(textOf(value).length + lines.length * columns);
  const out = lines.map((line, at) =>
    at > 0 && (blank || textOf(line) !== "") ? concat(indention, line) : line,
  );
  const whole = joined(out, "\n", budget);
  return args.flag("first") ? concat(indention, whole) : whole;
}

function tojson(value: Value, args: Arguments, budget: Budget): Str {
  const width = args.value("indent");
  let step: string | undefined;
  if (width !== undefined && width !== null) {
    const columns = isStr(width) ? textOf(width).length : args.integer("indent", 0);
    budget.make(columns);
    step = isStr(width) ? textOf(width) : " ".repeat(Math.max(0, columns));
  }
  const separators = or(args.value("separators"), null);
  const pair = separators === null ? undefined : items(separators);
  if (separators !== null && (pair?.length !== 2 || !pair.every(isStr))) {
    throw new TypeFault("tojson(): separators must be two str");
  }
  const [itemSeparator, keySeparator] = (pair as Str[] | undefined) ?? [
    step === undefined ? ", " : ",",
    ": ",
  ];
  return toJson(
    value,
    {
      indent: step,
      ensureAscii: args.flag("ensure_ascii"),
      itemSeparator: itemSeparator!,
      keySeparator: keySeparator!,
      sortKeys: args.flag("sort_keys"),
    },
    budget,
  );
}

function replace(value: Str, args: Arguments, budget: Budget): Str {
  const [old, replacement] = [toText(args.required("old"), budget), toText(args.required("new"), budget)];
  return strings.replace(value, old, replacement, args.integer("count", -1), budget);
}

const FILTERS: Table = {
  abs: [
    [],
    (value) => {
      if (!isNumeric(value)) throw new TypeFault(`a ${typeName(value)} has no absolute value`);
      const number = plainNumber(value);
      return number < 0 ? -number : number;
    },
  ],
  capitalize: [[], text(strings.capitalize)],
  count: [[], (value, _, budget) => length(value, budget)],
  default: [
    ["default_value", "boolean"],
    (value, args) =>
      value instanceof Undefined || (args.flag("boolean") && !isTrue(value))
        ? or(args.value("default_value"), "")
        : value,
  ],
  dictsort: [["case_sensitive", "by", "reverse"], dictsort],
  first: [[], edge(false)],
  float: [["default"], (value, args) => toFloat(value) ?? or(args.value("default"), 0)],
  indent: [["width", "first", "blank"], text(indent)],
  int: [["default", "base"], toInteger],
  items: [
    [],
    (value, _, budget) => {
      if (value instanceof Undefined) return new View("generator", []);
      if (!(value instanceof Dict)) throw new TypeFault("Can only get item pairs from a mapping.");
      return new View("generator", dictItems(value, budget));
    },
  ],
  join: [
    ["d", "attribute"],
    (value, args, budget) => {
      const get = getter(args, budget);
      const parts = list(value, budget).map((item) => toText(get(item), budget));
      return joined(parts, toText(or(args.value("d"), ""), budget), budget);
    },
  ],
  last: [[], edge(true)],
  length: [[], (value, _, budget) => length(value, budget)],
  list: [[], (value, _, budget) => [...list(value, budget)]],
  lower: [[], text(strings.lower)],
  max: [["case_sensitive", "attribute"], extreme(1)],
  min: [["case_sensitive", "attribute"], extreme(-1)],
  replace: [["old", "new", "count"], text(replace)],
  reverse: [[], reverse],
  round: [["precision", "method"], round],
  safe: [[], text((value) => value)],
  sort: [
    ["reverse", "case_sensitive", "attribute"],
    (value, args, budget) => {
      const get = getter(args, budget);
      const key = (item: Value) =>
        args.flag("case_sensitive") ? get(item) : ignoringCase(get(item), budget);
      return sorted(list(value, budget), key, args.flag("reverse"), budget);
    },
  ],
  string: [[], text((value) => value)],
  sum: [["attribute", "start"], sum],
  title: [[], text(strings.titleFilter)],
  tojson: [["ensure_ascii", "indent", "separators", "sort_keys"], tojson],
  trim: [["chars"], text((value, args) => strings.strip(value, "both", args.plain("chars")))],
  unique: [["case_sensitive", "attribute"], unique],
  upper: [[], text(strings.upper)],
  wordcount: [[], text((value) => BigInt(textOf(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0))],
};
FILTERS.d = FILTERS.default!;

/** Filters whose arguments name another filter or test. */
function higherOrder(
  name: string,
  value: Value,
  args: Value[],
  named: Map<string, Value>,
  budget: Budget,
): Value | undefined {
  if (name === "map") return mapped(value, args, named, budget);
  const match = /^(select|reject)(attr)?$/.exec(name);
  if (!match) return undefined;
  const rest = [...args];
  const attribute = match[2] ? rest.shift() : undefined;
  if (match[2] && attribute === undefined) throw new TypeFault(`${name}() needs an attribute`);
  const test = rest.shift();
  if (test !== undefined && !isStr(test)) throw new TypeFault(`${name}() needs the name of a test`);
  return generator(value, budget, (item) => {
    const subject = attribute === undefined ? item : attributePath(item, attribute, budget);
    const passed = test === undefined ? isTrue(subject) : passes(textOf(test), subject, rest[0], budget);
    return passed === (match[1] === "select") ? [item] : [];
  });
}

function mapped(value: Value, args: Value[], named: Map<string, Value>, budget: Budget): Value {
  const attribute = named.get("attribute");
  if (args.length === 0 && attribute !== undefined) {
    const otherwise = named.get("default");
    return generator(value, budget, (item) => {
      const found = attributePath(item, attribute, budget);
      return [found instanceof Undefined && otherwise !== undefined ? otherwise : found];
    });
  }
  const [name, ...rest] = args;
  if (name === undefined || !isStr(name)) throw new TypeFault("map() needs a filter or an attribute");
  return generator(value, budget, (item) => [applyFilter(textOf(name), item, rest, named, budget)]);
}

export function applyFilter(
  name: string,
  value: Value,
  args: Value[],
  named: Map<string, Value>,
  budget: Budget,
): Value {
  budget.spend(1);
  const special = higherOrder(name, value, args, named, budget);
  if (special !== undefined) return special;
  if (!Object.hasOwn(FILTERS, name)) throw new TypeFault(`there is no filter ${name}`);
  const [names, filter] = FILTERS[name]!;
  return filter(value, new Arguments(name, args, named, names), budget);
}
