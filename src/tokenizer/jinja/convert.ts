/** JavaScript values and JSON text as values of Jinja, every string in them marked. */
import { readJson } from "../../messages/json-text.js";
import { sanitize } from "../control-tokens.js";
import { type Mark, marked, type Str } from "./text.js";
import { Callable, Dict, Undefined, type Value } from "./values.js";

/** Text from outside: well-formed, and marked. */
export function markedText(text: string, mark: Mark): Str {
  return marked(sanitize(text), mark);
}

/** Keys are marked as well, since a template may print them. Lookups compare their text only. */
export function toValue(input: unknown, mark: Mark): Value {
  if (input === null || typeof input === "boolean" || typeof input === "bigint") return input;
  if (typeof input === "string") return markedText(input, mark);
  if (typeof input === "number") return Number.isInteger(input) ? BigInt(input) : input;
  if (input === undefined) return new Undefined("a value of undefined");
  if (input instanceof Callable) return input;
  if (Array.isArray(input)) return input.map((item) => toValue(item, mark));
  if (typeof input !== "object") throw new TypeError(`a ${typeof input} is not a value of a template`);
  const dict = new Dict();
  for (const [key, item] of Object.entries(input)) {
    if (item !== undefined) dict.set(markedText(key, mark), toValue(item, mark));
  }
  return dict;
}

/**
 * Whole numbers of any size, the order of keys and 1.0 stay as they are written. Undefined when the text is not JSON.
 */
export function jsonToValue(text: string, mark: Mark): Value | undefined {
  const found = readJson<Value>(text, {
    string: (value) => markedText(value, mark),
    number: (digits) => (/^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits)),
    literal: (value) => value,
    list: (items) => items,
    object: (entries) => {
      const dict = new Dict();
      for (const [key, value] of entries) dict.set(markedText(key, mark), value);
      return dict;
    },
  });
  return found === undefined || text.slice(found.end).trim() !== "" ? undefined : found.value;
}
