/** Seeded mutations of valid inputs: of text by the words of its grammar, and of JSON by its structure. */
import type { Random } from "../../../src/random/random.js";

/** What breaks readers of any grammar. */
const HOSTILE = [
  "",
  " ",
  "\n",
  "\r\n",
  "\t",
  "\u0000",
  "\ufeff",
  "\u2028",
  "\u202e",
  "\ud800",
  "\udc00",
  "é",
  "½",
  "–",
  "０",
  "中",
  "🙂",
  '"',
  "'",
  "\\",
  "{",
  "}",
  "[",
  "]",
  "(",
  ")",
  "<",
  ">",
  "/",
  ",",
  ":",
  "-",
  "+",
  "%",
  "$",
  "#",
  "*",
  "_",
  "|",
  "0",
  "1",
  "-0",
  "1e999",
  "9007199254740993",
  "null",
  "true",
  "NaN",
  "__proto__",
  "constructor",
  "${HOME}",
  "%s",
];

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  1e308,
  -1e-308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  "",
  " ",
  "x",
  "0",
  "GOOD",
  "\u0000",
  "\ud800",
  "__proto__",
  [],
  {},
  [[]],
  [null],
  [0],
  [""],
  { toString: 1 },
  { length: 1e9 },
  { type: 0 },
  { toJSON: 1 },
];

const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "length",
  "",
  "0",
  "then",
  "toJSON",
  "version",
  "type",
];

/** One of the seeds after one to six edits: a piece removed, repeated, moved, replaced, or taken from another seed. */
export function mutateText(random: Random, seeds: readonly string[], words: readonly string[] = []): string {
  let text = random.pick(seeds);
  for (let left = random.integer(1, 6); left > 0; left--) {
    const at = random.integer(0, text.length);
    const end = Math.min(text.length, at + random.integer(0, random.pick([1, 4, 40])));
    const [before, piece, after] = [text.slice(0, at), text.slice(at, end), text.slice(end)];
    switch (random.integer(0, 7)) {
      case 0:
        text = before + after;
        break;
      case 1:
        text = before + piece.repeat(random.pick([2, 3, 30])) + after;
        break;
      case 2: {
        const other = random.pick(seeds);
        const from = random.integer(0, other.length);
        text = before + other.slice(from, from + random.integer(0, 40)) + after;
        break;
      }
      case 3:
        text = before + String.fromCharCode(random.integer(0, random.pick([0x7f, 0xffff]))) + after;
        break;
      case 4:
        text = before.slice(0, random.integer(0, before.length)) + piece + after;
        break;
      case 5:
        text = before + random.pick(HOSTILE) + after;
        break;
      default:
        text = before + random.pick(words.length > 0 ? words : HOSTILE) + after;
    }
    if (text.length > 4000) text = text.slice(0, 4000);
  }
  return text;
}

/** A copy of `value` after one to three edits of its structure. */
export function mutateJson(random: Random, value: unknown): unknown {
  const root = { root: structuredClone(value) };
  for (let left = random.integer(1, 3); left > 0; left--) edit(random, places(root));
  return root.root;
}

/** JSON text: mostly of a changed value, sometimes with changed characters. */
export function mutateJsonText(
  random: Random,
  seeds: readonly unknown[],
  words: readonly string[] = [],
): string {
  const text = JSON.stringify(mutateJson(random, random.pick(seeds))) ?? "";
  return random.integer(0, 4) === 0 ? mutateText(random, [text], words) : text;
}

type Container = Record<string | number, unknown>;
type Place = readonly [container: Container, key: string | number];

function places(root: Container): Place[] {
  const found: Place[] = [];
  const visit = (container: Container) => {
    for (const key of Object.keys(container)) {
      found.push([container, key]);
      const inner = container[key];
      if (typeof inner === "object" && inner !== null) visit(inner as Container);
    }
  };
  visit(root);
  return found;
}

function edit(random: Random, all: readonly Place[]): void {
  const [container, key] = random.pick(all);
  const value = container[key];
  switch (random.integer(0, 6)) {
    case 0:
      if (Array.isArray(container)) container.splice(Number(key), 1);
      else if (key !== "root") delete container[key];
      break;
    case 1:
      if (typeof value === "string") container[key] = mutateText(random, [value]);
      else if (typeof value === "number")
        container[key] = random.pick([-value, value + 1, value / 3, value * 1e9, `${value}`]);
      else container[key] = structuredClone(random.pick(VALUES));
      break;
    case 2: {
      const [other, name] = random.pick(all);
      container[key] = structuredClone(other[name]);
      break;
    }
    case 3:
      // As a parsed "__proto__" is: a key of its own, not the prototype.
      if (typeof value === "object" && value !== null)
        Object.defineProperty(value, Array.isArray(value) ? String(value.length) : random.pick(KEYS), {
          value: structuredClone(random.pick(VALUES)),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      break;
    case 4: {
      let nested: unknown = structuredClone(random.pick(VALUES));
      for (let depth = random.pick([1, 5, 300]); depth > 0; depth--)
        nested = random.integer(0, 1) ? [nested] : { a: nested };
      container[key] = nested;
      break;
    }
    default:
      container[key] = structuredClone(random.pick(VALUES));
  }
}
