/** The sliced parser against JSON.parse: the same value, or the same error. */
import { expect, it } from "vitest";
import { atOnce } from "../async/slices.js";
import { createRandom } from "../random/random.js";
import { parseJson } from "./parse-json.js";

function outcome(parse: () => unknown): unknown {
  try {
    return { value: parse() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

const same = (text: string, piece: number) =>
  expect(
    outcome(() => atOnce(parseJson(text, piece))),
    text,
  ).toEqual(outcome(() => JSON.parse(text)));

it("gives what JSON.parse gives for any text, however small the pieces are", () => {
  const random = createRandom(7, "json");
  const below = (n: number) => random.integer(0, n - 1);
  const texts = ["", "a", 'say "x"', "back\\slash\\", "{[,:]}", "é漢😀", "__proto__", "1", "\n\u2028"];
  const make = (depth: number): unknown => {
    const kind = below(depth > 4 ? 4 : 7);
    if (kind === 0) return below(1000) / 8 - 40;
    if (kind === 1) return [null, true, false][below(3)];
    if (kind < 4) return texts[below(texts.length)];
    if (kind === 4) return Array.from({ length: below(6) }, () => make(depth + 1));
    const entries = Array.from({ length: below(6) }, () => [
      texts[below(texts.length)]! + below(4),
      make(depth + 1),
    ]);
    return Object.fromEntries(entries);
  };
  for (let trial = 0; trial < 400; trial++) {
    const value = make(0);
    const text = JSON.stringify(value, null, trial % 3);
    for (const piece of [1, 4, 17]) same(text, piece);
    // Damaged: a character taken out, doubled, or replaced.
    const at = below(text.length + 1);
    const put = ["", ",", '"', "}", "]", "{", "[", ":", "\\", " ", "0"][below(11)]!;
    same(text.slice(0, at) + put + text.slice(at + below(2)), [1, 4, 17][trial % 3]!);
  }
});

it("takes __proto__ for a name like any other, and the last of equal names", () => {
  const text = `{"a": 1, "__proto__": {"b": [1, 2, 3, 4]}, "a": 2}`;
  const parsed = atOnce(parseJson(text, 4)) as Record<string, unknown>;
  expect(Object.keys(parsed)).toEqual(["a", "__proto__"]);
  expect(parsed.a).toBe(2);
  expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
});

it("ends in time on brackets within brackets", () => {
  const open = "[".repeat(50_000);
  expect(Array.isArray(atOnce(parseJson(open + "]".repeat(50_000), 16)))).toBe(true);
  expect(() => atOnce(parseJson(open, 16))).toThrow(SyntaxError);
});
