/** The methods of str, list and dict that a template may call. What would change a list or dict is refused, as
 * transformers' sandbox refuses it. */
import { Arguments } from "./arguments.js";
import type { Budget } from "./budget.js";
import * as strings from "./strings.js";
import { characters, isStr, join, type Str, slice, textOf } from "./text.js";
import {
  Callable,
  Dict,
  isEqual,
  items,
  iterate,
  or,
  Tuple,
  TypeFault,
  typeName,
  type Value,
  View,
} from "./values.js";

type Method<T> = (self: T, args: Arguments, budget: Budget) => Value;
type Table<T> = Record<string, [names: string[], method: Method<T>]>;

const affix =
  (test: (text: string, affix: string) => boolean): Method<Str> =>
  (self, args) => {
    const wanted = args.required("prefix");
    const list = wanted instanceof Tuple ? wanted.items : [wanted];
    return list.some((item) => {
      if (!isStr(item)) throw new TypeFault(`${args.of}() needs a str or a tuple of str`);
      return test(textOf(self), textOf(item));
    });
  };

const every =
  (pattern: RegExp): Method<Str> =>
  (self) =>
    textOf(self) !== "" && pattern.test(textOf(self));

const cased =
  (change: "toUpperCase" | "toLowerCase"): Method<Str> =>
  (self) =>
    textOf(self)[change]() === textOf(self) && /[\p{Lu}\p{Ll}\p{Lt}]/u.test(textOf(self));

/** In code points, as Python counts. */
const position = (text: string, unit: number) => (unit < 0 ? -1n : BigInt([...text.slice(0, unit)].length));

const find =
  (last: boolean, required: boolean): Method<Str> =>
  (self, args, budget) => {
    const wanted = textOf(args.requiredText("sub"));
    const text = textOf(self);
    budget.search(text.length, wanted.length);
    const unit = last ? text.lastIndexOf(wanted) : text.indexOf(wanted);
    if (unit < 0 && required) throw new TypeFault("substring not found");
    return position(text, unit);
  };

const splitter =
  (fromRight: boolean): Method<Str> =>
  (self, args, budget) =>
    strings.split(self, args.plain("sep"), args.integer("maxsplit", -1), fromRight, budget);

const partition =
  (last: boolean): Method<Str> =>
  (self, args, budget) => {
    const separator = args.requiredText("sep");
    const wanted = textOf(separator);
    budget.search(textOf(self).length, wanted.length);
    const text = textOf(self);
    const unit = last ? text.lastIndexOf(wanted) : text.indexOf(wanted);
    if (unit < 0) return new Tuple(last ? ["", "", self] : [self, "", ""]);
    return new Tuple([slice(self, 0, unit), separator, slice(self, unit + wanted.length)]);
  };

const padding =
  (side: "left" | "right" | "both"): Method<Str> =>
  (self, args, budget) =>
    strings.pad(self, args.integer("width", 0), args.plain("fillchar") ?? " ", side, budget);

const zeroFill: Method<Str> = (self, args, budget) => {
  const sign = /^[+-]/.test(textOf(self)) ? 1 : 0;
  const width = args.integer("width", 0) - sign;
  return joined(
    [slice(self, 0, sign), strings.pad(slice(self, sign), width, "0", "left", budget)],
    "",
    budget,
  );
};

const STRING: Table<Str> = {
  upper: [[], (self) => strings.upper(self)],
  lower: [[], (self) => strings.lower(self)],
  casefold: [[], (self) => strings.lower(self)],
  capitalize: [[], (self) => strings.capitalize(self)],
  title: [[], (self) => strings.title(self)],
  strip: [["chars"], (self, args) => strings.strip(self, "both", args.plain("chars"))],
  lstrip: [["chars"], (self, args) => strings.strip(self, "left", args.plain("chars"))],
  rstrip: [["chars"], (self, args) => strings.strip(self, "right", args.plain("chars"))],
  split: [["sep", "maxsplit"], splitter(false)],
  rsplit: [["sep", "maxsplit"], splitter(true)],
  splitlines: [[], (self, _, budget) => strings.splitLines(self, budget)],
  partition: [["sep"], partition(false)],
  rpartition: [["sep"], partition(true)],
  startswith: [["prefix"], affix((text, wanted) => text.startsWith(wanted))],
  endswith: [["prefix"], affix((text, wanted) => text.endsWith(wanted))],
  removeprefix: [
    ["prefix"],
    (self, args) => {
      const prefix = textOf(args.requiredText("prefix"));
      return textOf(self).startsWith(prefix) ? slice(self, prefix.length) : self;
    },
  ],
  removesuffix: [
    ["suffix"],
    (self, args) => {
      const suffix = textOf(args.requiredText("suffix"));
      return suffix !== "" && textOf(self).endsWith(suffix) ? slice(self, 0, -suffix.length) : self;
    },
  ],
  replace: [
    ["old", "new", "count"],
    (self, args, budget) =>
      strings.replace(
        self,
        args.requiredText("old"),
        args.requiredText("new"),
        args.integer("count", -1),
        budget,
      ),
  ],
  find: [["sub"], find(false, false)],
  rfind: [["sub"], find(true, false)],
  index: [["sub"], find(false, true)],
  rindex: [["sub"], find(true, true)],
  count: [
    ["sub"],
    (self, args, budget) => {
      const wanted = textOf(args.requiredText("sub"));
      budget.search(textOf(self).length, wanted.length);
      return BigInt(
        wanted === "" ? [...textOf(self)].length + 1 : strings.occurrences(textOf(self), wanted).length,
      );
    },
  ],
  join: [
    ["iterable"],
    (self, args, budget) => {
      const list = iterate(args.required("iterable"), characters);
      const parts = list.map((item) => {
        if (!isStr(item)) throw new TypeFault(`join() needs str, not ${typeName(item)}`);
        return item;
      });
      return joined(parts, self, budget);
    },
  ],
  isdigit: [[], every(/^[\p{Nd}²³¹⁰⁴-⁹₀-₉]+$/u)],
  isdecimal: [[], every(/^\p{Nd}+$/u)],
  isnumeric: [[], every(/^\p{N}+$/u)],
  isalpha: [[], every(/^\p{L}+$/u)],
  isalnum: [[], every(/^[\p{L}\p{N}]+$/u)],
  isspace: [[], (self) => textOf(self) !== "" && [...textOf(self)].every(strings.isSpace)],
  isupper: [[], cased("toUpperCase")],
  islower: [[], cased("toLowerCase")],
  center: [["width", "fillchar"], padding("both")],
  ljust: [["width", "fillchar"], padding("right")],
  zfill: [["width"], zeroFill],
  rjust: [["width", "fillchar"], padding("left")],
};

const LIST: Table<Value> = {
  index: [
    ["value"],
    (self, args, budget) => {
      const at = items(self)!.findIndex((item) => isEqual(item, args.required("value"), budget));
      if (at < 0) throw new TypeFault("the value is not in the list");
      return BigInt(at);
    },
  ],
  count: [
    ["value"],
    (self, args, budget) => {
      return BigInt(items(self)!.filter((item) => isEqual(item, args.required("value"), budget)).length);
    },
  ],
  copy: [[], (self, _, budget) => copied(items(self)!, budget)],
};

function dictView(kind: View["kind"], part: (entry: [Value, Value]) => Value): Method<Dict> {
  return (self, _, budget) => {
    budget.list(self.size);
    return new View(kind, self.entries().map(part));
  };
}

const DICT: Table<Dict> = {
  get: [
    ["key", "default"],
    (self, args) => or(self.get(args.required("key")), or(args.value("default"), null)),
  ],
  keys: [[], dictView("dict_keys", ([key]) => key)],
  values: [[], dictView("dict_values", ([, value]) => value)],
  items: [[], dictView("dict_items", ([key, value]) => new Tuple([key, value]))],
  copy: [
    [],
    (self, _, budget) => {
      budget.list(self.size);
      const copy = new Dict();
      for (const [key, value] of self.entries()) copy.set(key, value);
      return copy;
    },
  ],
};

/** They would change what a template was given; the sandbox of transformers refuses them when they are called. */
const REFUSED = new Set([
  "append",
  "clear",
  "extend",
  "insert",
  "pop",
  "popitem",
  "remove",
  "reverse",
  "setdefault",
  "sort",
  "update",
]);

export function dictItems(dict: Dict, budget: Budget): Value[] {
  return copied(
    dict.entries().map(([key, value]) => new Tuple([key, value])),
    budget,
  );
}

function copied(list: Value[], budget: Budget): Value[] {
  budget.list(list.length);
  return [...list];
}

export function joined(parts: readonly Str[], separator: Str, budget: Budget): Str {
  const length = parts.reduce((sum, part) => sum + textOf(part).length, 0);
  budget.make(length + Math.max(0, parts.length - 1) * textOf(separator).length);
  budget.spend(parts.length);
  return join(parts, separator);
}

/** The method `name` of a value, bound to it; undefined where Python's type has none. */
export function methodOf(self: Value, name: string, budget: Budget): Value | undefined {
  if (isStr(self)) return bound(STRING, self, name, budget, textOf(self).length);
  if (Array.isArray(self)) return refused(name) ?? bound<Value>(LIST, self, name, budget, 0);
  if (self instanceof Tuple && name !== "copy") return bound<Value>(LIST, self, name, budget, 0);
  if (self instanceof Dict) return refused(name) ?? bound(DICT, self, name, budget, 0);
  return undefined;
}

function refused(name: string): Callable | undefined {
  if (!REFUSED.has(name)) return undefined;
  return new Callable(name, () => {
    throw new TypeFault(`${name}() would change a list or dict, which a template may not`);
  });
}

function bound<T>(
  table: Table<T>,
  self: T,
  name: string,
  budget: Budget,
  length: number,
): Callable | undefined {
  if (name === "format" && table === (STRING as unknown)) {
    throw new TypeFault("str.format is not supported");
  }
  if (!Object.hasOwn(table, name)) return undefined;
  const [names, method] = table[name]!;
  return new Callable(name, (args, named) => {
    budget.make(length);
    return method(self, new Arguments(name, args, named, names), budget);
  });
}

export function textLength(value: Str, budget: Budget): bigint {
  budget.read(textOf(value).length);
  const text = textOf(value);
  return BigInt(/[\uD800-\uDFFF]/.test(text) ? [...text].length : text.length);
}
