/**
 * JSON.parse in slices, for files of megabytes (a tokenizer.json), with the same value or the same error. A container
 * larger than a piece is split at its commas, and the pieces are parsed one by one.
 */
import type { Sliced } from "../async/slices.js";

const PIECE = 1 << 16; // characters; a fraction of a millisecond
const DEPTH = 6; // of containers that are split; each level scans its text once
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Throws the errors of JSON.parse. `piece`: characters that are parsed at once. */
export function* parseJson(text: string, piece = PIECE): Sliced<unknown> {
  try {
    return yield* value({ text, piece, depth: 0 }, 0, text.length);
  } catch {
    return JSON.parse(text); // its error gives the position in the whole text
  }
}

interface Source {
  text: string;
  piece: number;
  depth: number;
}

function* value(source: Source, from: number, to: number): Sliced<unknown> {
  const { text, piece, depth } = source;
  let begin = from;
  while (begin < to && isBlank(text.charCodeAt(begin))) begin++;
  const open = text[begin];
  if (to - begin <= piece || depth === DEPTH || (open !== "{" && open !== "["))
    return JSON.parse(text.slice(from, to));
  let end = to;
  while (end > begin && isBlank(text.charCodeAt(end - 1))) end--;
  if (text[end - 1] !== (open === "{" ? "}" : "]")) throw new SyntaxError("no end");
  const inner = { text, piece, depth: depth + 1 };
  return open === "{" ? yield* object(inner, begin + 1, end - 1) : yield* array(inner, begin + 1, end - 1);
}

function* object(source: Source, from: number, to: number): Sliced<Record<string, unknown>> {
  const { text, piece } = source;
  const whole: Record<string, unknown> = {};
  for (const [begin, end] of yield* groups(source, from, to)) {
    yield;
    if (end - begin <= 2 * piece) {
      const part = JSON.parse(`{${text.slice(begin, end)}}`) as Record<string, unknown>;
      for (const key of Object.keys(part)) set(whole, key, part[key]);
    } else {
      const colon = afterKey(text, begin, end);
      const key = JSON.parse(text.slice(begin, colon)) as string;
      set(whole, key, yield* value(source, colon + 1, end));
    }
  }
  return whole;
}

function* array(source: Source, from: number, to: number): Sliced<unknown[]> {
  const { text, piece } = source;
  const whole: unknown[] = [];
  for (const [begin, end] of yield* groups(source, from, to)) {
    yield;
    if (end - begin <= 2 * piece)
      for (const item of JSON.parse(`[${text.slice(begin, end)}]`)) whole.push(item);
    else whole.push(yield* value(source, begin, end));
  }
  return whole;
}

/** An assignment to "__proto__" would change the object's prototype. */
function set(object: Record<string, unknown>, key: string, item: unknown): void {
  if (key !== "__proto__") object[key] = item;
  else
    Object.defineProperty(object, key, { value: item, enumerable: true, configurable: true, writable: true });
}

/** The members between `from` and `to` in runs: several of at most 2·piece characters together, or one longer one. */
function* groups(source: Source, from: number, to: number): Sliced<[begin: number, end: number][]> {
  const { text, piece } = source;
  const found: [number, number][] = [];
  let group = from; // of members that are not in `found` yet
  let member = from;
  let depth = 0;
  const push = (begin: number, end: number) => {
    // An empty member is an error that parsing the pieces would miss.
    if (text.slice(begin, Math.min(end, begin + piece)).trim() === "") throw new SyntaxError("no member");
    found.push([begin, end]);
  };
  const close = (end: number) => {
    if (end - member > piece && member > group) {
      push(group, member - 1);
      group = member;
    }
    if (end - group > piece || end === to) {
      push(group, end);
      group = end + 1;
    }
    member = end + 1;
  };
  let pause = from + piece;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      for (at++; at < to && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
    } else if (code === 0x7b || code === 0x5b) depth++;
    else if (code === 0x7d || code === 0x5d) depth--;
    else if (code === 0x2c && depth === 0) close(at);
    if (at >= pause) {
      pause = at + piece;
      yield;
    }
  }
  if (depth !== 0) throw new SyntaxError("brackets do not match");
  close(to);
  return found;
}

/** The colon after a member's key. */
function afterKey(text: string, begin: number, end: number): number {
  let at = begin;
  while (at < end && text.charCodeAt(at) !== QUOTE) at++;
  for (at++; at < end && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
  const colon = text.indexOf(":", at);
  if (colon < 0 || colon >= end) throw new SyntaxError("no colon");
  return colon;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}
