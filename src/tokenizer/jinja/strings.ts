/** Python's str operations that methods and filters share, on marked text. Positions are UTF-16 units. */
import type { Budget } from "./budget.js";
import { concat, join, mapCharacters, mapText, type Str, slice, textOf } from "./text.js";

/** What str.strip() removes and str.split() splits at; JavaScript's \s differs in five characters. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new Set<string>();
for (let code = 0; code < 0x3100; code++) {
  const character = String.fromCharCode(code);
  if (new RegExp(`[${SPACE}]`).test(character)) SPACES.add(character);
}

const BLANKS = new RegExp(`[${SPACE}]+`, "g");

export function isSpace(character: string): boolean {
  return SPACES.has(character);
}

export function strip(value: Str, side: "both" | "left" | "right", characters: string | undefined): Str {
  const text = textOf(value);
  const dropped = characters === undefined ? SPACES : new Set(characters);
  let start = 0;
  let end = text.length;
  // Whole code points, since `characters` may hold some beyond the first plane.
  while (side !== "right" && start < end && dropped.has(at(text, start))) start += at(text, start).length;
  while (side !== "left" && end > start && dropped.has(before(text, end))) end -= before(text, end).length;
  return slice(value, start, end);
}

function at(text: string, index: number): string {
  return String.fromCodePoint(text.codePointAt(index)!);
}

function before(text: string, index: number): string {
  const pair =
    index > 1 && /[\uDC00-\uDFFF]/.test(text[index - 1]!) && /[\uD800-\uDBFF]/.test(text[index - 2]!);
  return text.slice(index - (pair ? 2 : 1), index);
}

/** Starts of the non-overlapping occurrences of `wanted`, at most `limit` (negative: all). */
export function occurrences(text: string, wanted: string, limit = -1): number[] {
  const starts: number[] = [];
  for (let from = text.indexOf(wanted); from >= 0 && starts.length !== limit; ) {
    starts.push(from);
    from = text.indexOf(wanted, from + wanted.length);
  }
  return starts;
}

export function replace(value: Str, old: Str, replacement: Str, limit: number, budget: Budget): Str {
  const text = textOf(value);
  const wanted = textOf(old);
  budget.search(text.length, wanted.length);
  const starts = wanted === "" ? boundaries(text, limit) : occurrences(text, wanted, limit);
  budget.make(text.length + starts.length * (textOf(replacement).length - wanted.length));
  budget.spend(starts.length);
  if (starts.length === 0) return value;
  const parts: Str[] = [];
  let from = 0;
  for (const start of starts) {
    parts.push(slice(value, from, start));
    from = start + wanted.length;
  }
  parts.push(slice(value, from));
  return join(parts, replacement);
}

/** Where an empty string occurs: before each code point and at the end. */
function boundaries(text: string, limit: number): number[] {
  const starts: number[] = [];
  for (let from = 0; from <= text.length && starts.length !== limit; ) {
    starts.push(from);
    from += (text.codePointAt(from) ?? 0) > 0xffff ? 2 : 1;
  }
  return starts;
}

/** str.split and str.rsplit; no separator: runs of white space. */
export function split(
  value: Str,
  separator: string | undefined,
  limit: number,
  fromRight: boolean,
  budget: Budget,
): Str[] {
  const text = textOf(value);
  budget.read(text.length);
  let cuts: [start: number, end: number][];
  if (separator === undefined) {
    const inner = strip(value, limit < 0 ? "both" : fromRight ? "right" : "left", undefined);
    if (textOf(inner) === "") return [];
    if (inner !== value && textOf(inner) !== text) return split(inner, undefined, limit, fromRight, budget);
    cuts = [];
    for (const match of text.matchAll(BLANKS)) {
      cuts.push([match.index, match.index + match[0].length]);
      if (cuts.length > budget.bounds.elements) break;
    }
  } else {
    if (separator === "") throw new Error("empty separator");
    budget.search(text.length, separator.length);
    cuts = (fromRight ? lastOccurrences(text, separator) : occurrences(text, separator)).map((start) => [
      start,
      start + separator.length,
    ]);
  }
  if (limit >= 0 && cuts.length > limit)
    cuts = fromRight ? cuts.slice(cuts.length - limit) : cuts.slice(0, limit);
  budget.list(cuts.length + 1);
  const parts: Str[] = [];
  let from = 0;
  for (const [start, end] of cuts) {
    parts.push(slice(value, from, start));
    from = end;
  }
  const rest = slice(value, from);
  // After a limited split at white space, the remainder has no blanks at its far end.
  parts.push(rest);
  if (separator === undefined && limit >= 0) {
    if (fromRight) parts[0] = strip(parts[0]!, "right", undefined);
    return parts.filter((part, index) => textOf(part) !== "" || (index > 0 && index < parts.length - 1));
  }
  return parts;
}

/** Occurrences found from the right, in order. */
function lastOccurrences(text: string, wanted: string): number[] {
  const starts: number[] = [];
  let end = text.length;
  while (end >= wanted.length) {
    const start = text.lastIndexOf(wanted, end - wanted.length);
    if (start < 0) break;
    starts.push(start);
    end = start;
  }
  return starts.reverse();
}

/** Where str.splitlines() splits. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they end lines in Python.
const LINE_END = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/g;

export function splitLines(value: Str, budget: Budget): Str[] {
  const text = textOf(value);
  budget.read(text.length);
  const parts: Str[] = [];
  let from = 0;
  for (const match of text.matchAll(LINE_END)) {
    parts.push(slice(value, from, match.index));
    from = match.index + match[0].length;
    if (parts.length > budget.bounds.elements) break;
  }
  if (from < text.length) parts.push(slice(value, from));
  budget.list(parts.length);
  return parts;
}

export function upper(value: Str): Str {
  return mapText(value, (text) => text.toUpperCase());
}

export function lower(value: Str): Str {
  return mapText(value, (text) => text.toLowerCase());
}

export function capitalize(value: Str): Str {
  const first = (textOf(value).codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
  return concat(upper(slice(value, 0, first)), lower(slice(value, first)));
}

/** str.title(): every run of letters begins in upper case and continues in lower case. */
export function title(value: Str): Str {
  let inWord = false;
  return mapCharacters(value, (character) => {
    const letter = /\p{L}/u.test(character);
    const changed = !letter ? character : inWord ? character.toLowerCase() : character.toUpperCase();
    inWord = letter;
    return changed;
  });
}

/** The `title` filter: a word also ends at brackets and hyphens only. */
export function titleFilter(value: Str): Str {
  let from = 0;
  const parts: Str[] = [];
  for (const match of textOf(value).matchAll(/[-\s({[<]+/g)) {
    parts.push(
      capitalize(slice(value, from, match.index)),
      slice(value, match.index, match.index + match[0].length),
    );
    from = match.index + match[0].length;
  }
  parts.push(capitalize(slice(value, from)));
  return join(parts);
}

/** Padding has no mark of its own: the template asked for it. */
export function pad(
  value: Str,
  width: number,
  fill: string,
  side: "left" | "right" | "both",
  budget: Budget,
): Str {
  const missing = width - [...textOf(value)].length;
  if (missing <= 0) return value;
  budget.make(textOf(value).length + missing * fill.length);
  const left = side === "left" ? missing : side === "right" ? 0 : (missing >> 1) + (missing & width & 1);
  return concat(concat(fill.repeat(left), value), fill.repeat(missing - left));
}
