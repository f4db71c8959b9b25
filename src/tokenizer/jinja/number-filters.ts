/** The filters `int`, `float` and `round`. */
import type { Arguments } from "./arguments.js";
import { isStr, type Str, textOf } from "./text.js";
import { isNumeric, or, plainNumber, TypeFault, typeName, type Value } from "./values.js";

export function toInteger(value: Value, args: Arguments): Value {
  const otherwise = or(args.value("default"), 0n);
  if (isStr(value)) {
    requireShort(value);
    const digits = textOf(value)
      .trim()
      .replace(/(?<=\d)_(?=\d)/g, "");
    if (args.integer("base", 10) !== 10) throw new TypeFault("int(): only base 10 is supported");
    if (/^[+-]?\d+$/.test(digits)) return BigInt(digits.replace(/^\+/, ""));
    const number = toFloat(value);
    return number === undefined || !Number.isFinite(number) ? otherwise : BigInt(Math.trunc(number));
  }
  if (!isNumeric(value)) return otherwise;
  const number = plainNumber(value);
  if (typeof number === "bigint") return number;
  return Number.isFinite(number) ? BigInt(Math.trunc(number)) : otherwise;
}

/** Templates do not write longer numbers, and reading them would be slow. */
function requireShort(value: Str): void {
  if (textOf(value).length > 500) throw new TypeFault("a text of more than 500 characters is not a number");
}

export function toFloat(value: Value): number | undefined {
  if (isNumeric(value)) return Number(plainNumber(value));
  if (!isStr(value)) return undefined;
  requireShort(value);
  const digits = textOf(value).trim();
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(digits) ? Number(digits) : undefined;
}

/** Half to even, as Python rounds. */
export function round(value: Value, args: Arguments): number {
  const number = toFloat(value);
  if (number === undefined || isStr(value)) throw new TypeFault(`a ${typeName(value)} cannot be rounded`);
  const precision = args.integer("precision", 0);
  if (precision < 0 || precision > 15) throw new TypeFault("round(): precision must be 0 to 15");
  const method = args.plain("method") ?? "common";
  const scale = 10 ** precision;
  if (method === "ceil") return Math.ceil(number * scale) / scale;
  if (method === "floor") return Math.floor(number * scale) / scale;
  const rounded = Number(number.toFixed(precision));
  const isTie = /^50*$/.test(number.toFixed(precision + 60).slice(-60));
  if (!isTie) return rounded;
  const floor = Math.floor(number * scale);
  const even = (floor % 2 === 0 ? floor : floor + 1) / scale;
  return even === 0 && number < 0 ? -0 : even;
}
