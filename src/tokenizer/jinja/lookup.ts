/** Attributes and elements: `a.b` asks for Python's attribute first, `a["b"]` for the element first. */
import type { Budget } from "./budget.js";
import { methodOf } from "./methods.js";
import { characters, isStr, join, type Str, slice, textOf } from "./text.js";
import {
  Dict,
  items,
  Namespace,
  or,
  Tuple,
  TypeFault,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.js";

export function attribute(self: Value, name: string, budget: Budget): Value {
  budget.spend(1);
  const found = ownAttribute(self, name, budget);
  return found !== undefined ? found : or(element(self, name, budget), missing(self, name));
}

export function subscript(self: Value, key: Value, budget: Budget): Value {
  budget.spend(1);
  if (isStr(key)) budget.read(textOf(key).length);
  const found = element(self, key, budget);
  if (found !== undefined) return found;
  return or(isStr(key) ? ownAttribute(self, textOf(key), budget) : undefined, missing(self, key));
}

/** `a.0.b` of filters such as map(attribute=…) and sort(attribute=…). */
export function attributePath(self: Value, path: Value, budget: Budget): Value {
  if (!isStr(path)) return subscript(self, path, budget);
  budget.read(textOf(path).length);
  let value = self;
  for (const part of textOf(path).split(".")) {
    value = subscript(value, /^\d{1,15}$/.test(part) ? BigInt(part) : part, budget);
  }
  return value;
}

function ownAttribute(self: Value, name: string, budget: Budget): Value | undefined {
  if (self instanceof Undefined) throw new TypeFault(`${self.what} is undefined`);
  if (self instanceof Namespace) return self.attributes.get(name);
  return methodOf(self, name, budget);
}

function element(self: Value, key: Value, budget: Budget): Value | undefined {
  if (self instanceof Undefined) throw new TypeFault(`${self.what} is undefined`);
  if (self instanceof Dict) return self.get(key);
  const at = typeof key === "boolean" ? BigInt(key) : key;
  if (typeof at !== "bigint") return undefined;
  if (isStr(self)) {
    const text = textOf(self);
    if (!/[\uD800-\uDFFF]/.test(text)) {
      const unit = Number(at < 0n ? BigInt(text.length) + at : at);
      return unit >= 0 && unit < text.length ? slice(self, unit, unit + 1) : undefined;
    }
    budget.characters(text.length);
    return characters(self).at(Number(at));
  }
  return sequence(self)?.at(Number(at));
}

/** A list, a tuple or a range: what has elements by position. */
function sequence(self: Value): readonly Value[] | undefined {
  return self instanceof View && self.kind === "range" ? self.items : items(self);
}

function missing(self: Value, key: Value): Undefined {
  return new Undefined(
    `${isStr(key) ? JSON.stringify(textOf(key).slice(0, 60)) : String(key)} of a ${typeName(self)}`,
  );
}

export function sliced(self: Value, start: Value, stop: Value, step: Value, budget: Budget): Value {
  if (self instanceof Undefined) throw new TypeFault(`${self.what} is undefined`);
  const isString = isStr(self);
  if (isString) budget.characters(textOf(self).length);
  const plain = isString && !/[\uD800-\uDFFF]/.test(textOf(self));
  const list = isString ? (plain ? undefined : characters(self)) : sequence(self);
  if (!isString && !list) throw new TypeFault(`a ${typeName(self)} cannot be sliced`);
  const length = plain ? textOf(self).length : list!.length;
  const by = step === null ? 1 : index(step);
  if (by === 0) throw new TypeFault("slice step cannot be zero");
  const clamp = (value: Value, otherwise: number) => {
    if (value === null) return otherwise;
    const at = index(value) + (index(value) < 0 ? length : 0);
    return by > 0 ? Math.min(Math.max(at, 0), length) : Math.min(Math.max(at, -1), length - 1);
  };
  const from = clamp(start, by > 0 ? 0 : length - 1);
  const to = clamp(stop, by > 0 ? length : -1);
  if (plain && by === 1) return slice(self, from, Math.max(from, to));
  const source: readonly Value[] = list ?? characters(self as string);
  const out: Value[] = [];
  budget.list(Math.max(0, Math.ceil((to - from) / by)));
  for (let at = from; by > 0 ? at < to : at > to; at += by) out.push(source[at]!);
  if (isString) return join(out as Str[]);
  return self instanceof Tuple ? new Tuple(out) : out;
}

function index(value: Value): number {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "bigint") throw new TypeFault(`slice indices must be int, not ${typeName(value)}`);
  return Number(value);
}
