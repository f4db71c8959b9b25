/**
 * A template's string, which records who wrote each character: the template itself or someone else.
 *
 * Marks travel next to the text, never in it: a template sees exactly the text it is given, and what it makes of it
 * (slices, joins, JSON) keeps the marks of each character. A string without marks is the template's own.
 */

/** Who wrote a character: the template, a message or tool, an assistant's message, or a probe of the renderer. */
export const TEMPLATE = "0";
export const CONTENT = "1";
export const ASSISTANT = "2";
export const PROBE = "3";
export type Mark = typeof TEMPLATE | typeof CONTENT | typeof ASSISTANT | typeof PROBE;

export class Marked {
  /** `marks` has one character for each UTF-16 unit of `text`. */
  constructor(
    readonly text: string,
    readonly marks: string,
  ) {}
}

export type Str = string | Marked;

export function isStr(value: unknown): value is Str {
  return typeof value === "string" || value instanceof Marked;
}

export function marked(text: string, mark: Mark): Str {
  return mark === TEMPLATE ? text : new Marked(text, mark.repeat(text.length));
}

export function textOf(value: Str): string {
  return typeof value === "string" ? value : value.text;
}

export function marksOf(value: Str): string {
  return typeof value === "string" ? TEMPLATE.repeat(value.length) : value.marks;
}

export function concat(left: Str, right: Str): Str {
  if (typeof left === "string") {
    if (typeof right === "string") return left + right;
    if (left === "") return right;
  }
  if (textOf(right) === "") return left;
  if (textOf(left) === "") return right;
  return new Marked(textOf(left) + textOf(right), marksOf(left) + marksOf(right));
}

export function join(parts: readonly Str[], separator: Str = ""): Str {
  let out: Str = "";
  for (const [index, part] of parts.entries()) out = concat(index > 0 ? concat(out, separator) : out, part);
  return out;
}

/** UTF-16 units [start, end). */
export function slice(value: Str, start: number, end?: number): Str {
  if (typeof value === "string") return value.slice(start, end);
  return new Marked(value.text.slice(start, end), value.marks.slice(start, end));
}

/** The code points, as Python counts and indexes them. */
export function characters(value: Str): Str[] {
  const text = textOf(value);
  const out: Str[] = [];
  for (let at = 0; at < text.length; ) {
    const width = text.codePointAt(at)! > 0xffff ? 2 : 1;
    out.push(slice(value, at, at + width));
    at += width;
  }
  return out;
}

/** Each code point replaced by `change`; what replaces it has its mark. */
export function mapCharacters(value: Str, change: (character: string) => string): Str {
  if (typeof value === "string") return [...value].map(change).join("");
  let text = "";
  let marks = "";
  for (let at = 0; at < value.text.length; ) {
    const width = value.text.codePointAt(at)! > 0xffff ? 2 : 1;
    const changed = change(value.text.slice(at, at + width));
    text += changed;
    marks += value.marks[at]!.repeat(changed.length);
    at += width;
  }
  return new Marked(text, marks);
}

/** `change` applied to the whole text where that keeps its length, else to each code point. */
export function mapText(value: Str, change: (text: string) => string): Str {
  const changed = change(textOf(value));
  if (typeof value === "string") return changed;
  if (changed.length === value.text.length) return new Marked(changed, value.marks);
  return mapCharacters(value, change);
}
