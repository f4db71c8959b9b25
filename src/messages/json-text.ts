/**
 * Reads one JSON value at the beginning of a longer text, and builds from it what the caller wants: whole numbers of any
 * size and the order of keys are kept, which JSON.parse loses.
 */
export interface JsonBuilder<T> {
  string(value: string): T;
  /** As it is written. */
  number(digits: string): T;
  literal(value: boolean | null): T;
  list(items: T[]): T;
  object(entries: [key: string, value: T][]): T;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
const BLANK = /[ \t\r\n]*/y;
/** Deeper values are refused: reading them is recursive. */
const DEEPEST = 200;

class NotJson extends Error {}

/** Whether an odd number of backslashes stands before `at`. */
function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text[from - 1] === "\\") from--;
  return (at - from) % 2 === 1;
}

/** The value that begins at `start`, and where it ends. Undefined where no JSON begins, or it never ends. */
export function readJson<T>(
  text: string,
  builder: JsonBuilder<T>,
  start = 0,
): { value: T; end: number } | undefined {
  let at = start;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const take = (character: string): boolean => {
    match(BLANK);
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const need = (character: string) => {
    if (!take(character)) throw new NotJson();
  };
  const string = (): string => {
    const from = at;
    do {
      at = text.indexOf('"', at + 1);
      if (at < 0) throw new NotJson();
    } while (isEscaped(text, at));
    at++;
    try {
      return JSON.parse(text.slice(from, at)) as string;
    } catch {
      throw new NotJson();
    }
  };
  const key = (): string => {
    match(BLANK);
    if (text[at] !== '"') throw new NotJson();
    return string();
  };
  const value = (depth: number): T => {
    if (depth > DEEPEST) throw new NotJson();
    match(BLANK);
    if (take("{")) {
      const entries: [string, T][] = [];
      while (!take("}")) {
        if (entries.length > 0) need(",");
        const name = key();
        need(":");
        entries.push([name, value(depth + 1)]);
      }
      return builder.object(entries);
    }
    if (take("[")) {
      const items: T[] = [];
      while (!take("]")) {
        if (items.length > 0) need(",");
        items.push(value(depth + 1));
      }
      return builder.list(items);
    }
    if (text[at] === '"') return builder.string(string());
    const number = match(NUMBER);
    if (number !== undefined) return builder.number(number);
    const literal = match(LITERAL);
    if (literal === undefined) throw new NotJson();
    return builder.literal(literal === "null" ? null : literal === "true");
  };
  try {
    const read = value(0);
    return { value: read, end: at };
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}
