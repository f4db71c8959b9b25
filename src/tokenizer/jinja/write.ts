/** Values as text: what `{{ … }}` prints (Python's str), how they stand in a list (repr), and JSON (json.dumps). */
import type { Budget } from "./budget.js";
import { concat, isStr, mapCharacters, type Str, textOf } from "./text.js";
import {
  Callable,
  Dict,
  isNumeric,
  items,
  Namespace,
  Tuple,
  TypeFault,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.js";

/** Appends pieces, charging for each. */
class Writer {
  out: Str = "";
  constructor(readonly budget: Budget) {}
  add(piece: Str): void {
    this.budget.append(textOf(this.out).length, textOf(piece).length);
    this.out = concat(this.out, piece);
  }
}

export function toText(value: Value, budget: Budget): Str {
  if (isStr(value)) return value;
  if (value instanceof Undefined) return "";
  const writer = new Writer(budget);
  writeRepr(value, writer);
  return writer.out;
}

/** The repr of what holds no other value; undefined for the rest. */
function scalarRepr(value: Value, budget: Budget): Str | undefined {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return floatText(value);
  if (isStr(value)) return quoted(value, budget);
  return value instanceof Undefined ? "Undefined" : undefined;
}

function writeRepr(value: Value, writer: Writer): void {
  const scalar = scalarRepr(value, writer.budget);
  if (scalar !== undefined) {
    writer.add(scalar);
    return;
  }
  if (value instanceof Dict) {
    writer.add("{");
    for (const [index, [key, item]] of value.entries().entries()) {
      if (index > 0) writer.add(", ");
      writeRepr(key, writer);
      writer.add(": ");
      writeRepr(item, writer);
    }
    writer.add("}");
    return;
  }
  if (value instanceof View && value.kind !== "generator") {
    if (value.kind === "range") {
      writer.add(value.label);
      return;
    }
    writer.add(`${value.kind}(`);
    writeRepr(value.take(), writer);
    writer.add(")");
    return;
  }
  if (value instanceof Namespace || value instanceof Callable || value instanceof View) {
    throw new TypeFault(`a ${typeName(value)} cannot be printed`);
  }
  const list = items(value)!;
  writer.add(value instanceof Tuple ? "(" : "[");
  for (const [index, item] of list.entries()) {
    if (index > 0) writer.add(", ");
    writeRepr(item, writer);
  }
  writer.add(!(value instanceof Tuple) ? "]" : list.length === 1 ? ",)" : ")");
}

/** A string's repr: single quotes unless it holds some and no double ones. */
function quoted(value: Str, budget: Budget): Str {
  const text = textOf(value);
  budget.make(text.length);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes: Record<string, string> = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
    [quote]: `\\${quote}`,
  };
  const inner = mapCharacters(value, (character) => {
    const escaped = escapes[character];
    if (escaped !== undefined) return escaped;
    if (!/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(character)) return character;
    const code = character.codePointAt(0)!.toString(16);
    if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
    return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
  });
  return concat(concat(quote, inner), quote);
}

/** The shortest digits that name the float, laid out as Python does. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const [digits, power] = value.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const fixed =
    exponent < 0
      ? value.toFixed(Math.min(100, digits.replace(/\D/g, "").length - 1 - exponent))
      : String(value);
  return fixed.includes(".") ? fixed : `${fixed}.0`;
}

export interface JsonLayout {
  indent: string | undefined;
  ensureAscii: boolean;
  itemSeparator: Str;
  keySeparator: Str;
  sortKeys: boolean;
}

export function toJson(value: Value, layout: JsonLayout, budget: Budget): Str {
  const writer = new Writer(budget);
  writeJson(value, layout, writer, 0);
  return writer.out;
}

function scalarJson(value: Value, layout: JsonLayout, budget: Budget): Str | undefined {
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return jsonFloat(value);
  return isStr(value) ? jsonText(value, layout.ensureAscii, budget) : undefined;
}

function writeJson(value: Value, layout: JsonLayout, writer: Writer, depth: number): void {
  const scalar = scalarJson(value, layout, writer.budget);
  if (scalar !== undefined) {
    writer.add(scalar);
    return;
  }
  const newLine = (level: number) => {
    if (layout.indent !== undefined) {
      writer.budget.make(layout.indent.length * level);
      writer.add(`\n${layout.indent.repeat(level)}`);
    }
  };
  const container = <T>(brackets: string, list: readonly T[], write: (item: T) => void) => {
    writer.add(brackets[0]!);
    for (const [index, item] of list.entries()) {
      if (index > 0) writer.add(layout.itemSeparator);
      newLine(depth + 1);
      write(item);
    }
    if (list.length > 0) newLine(depth);
    writer.add(brackets[1]!);
  };
  if (value instanceof Dict) {
    let entries = value.entries().map(([key, item]) => [jsonKey(key), item] as const);
    if (layout.sortKeys) entries = entries.toSorted(([a], [b]) => (textOf(a) < textOf(b) ? -1 : 1));
    container("{}", entries, ([key, item]) => {
      writer.add(jsonText(key, layout.ensureAscii, writer.budget));
      writer.add(layout.keySeparator);
      writeJson(item, layout, writer, depth + 1);
    });
    return;
  }
  const list = items(value);
  if (!list) throw new TypeFault(`a ${typeName(value)} cannot be written as JSON`);
  container("[]", list, (item) => writeJson(item, layout, writer, depth + 1));
}

function jsonKey(key: Value): Str {
  if (isStr(key)) return key;
  if (key === null) return "null";
  if (typeof key === "boolean") return key ? "true" : "false";
  if (isNumeric(key)) return typeof key === "number" ? jsonFloat(key) : key.toString();
  throw new TypeFault(`a ${typeName(key)} cannot be a key in JSON`);
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? floatText(value) : value > 0 ? "Infinity" : "-Infinity";
}

function jsonText(value: Str, ensureAscii: boolean, budget: Budget): Str {
  budget.make(textOf(value).length);
  const needsEscape = ensureAscii ? /[^ -~]|["\\]/ : /[^ -\uffff]|["\\]/;
  const inner = needsEscape.test(textOf(value))
    ? mapCharacters(value, (character) => {
        if (ensureAscii && character > "~") return escapeUnits(character);
        return JSON.stringify(character).slice(1, -1);
      })
    : value;
  return concat(concat('"', inner), '"');
}

function escapeUnits(character: string): string {
  let out = "";
  for (let at = 0; at < character.length; at++) {
    out += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return out;
}
