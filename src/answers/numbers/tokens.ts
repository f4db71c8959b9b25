/** Plain text as numerals, words, spaces and marks. */
import { NUMERAL } from "./numeral.js";

export interface Token {
  kind: "number" | "word" | "space" | "mark";
  text: string;
  at: number; // offset in the text
}

/** Scripts written without spaces: their letters are not part of a number's name, "共18个" shows 18. */
const UNSPACED =
  "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Thai}\\p{Script=Lao}\\u30fc]";
const TOKEN = new RegExp(
  `(?<number>${NUMERAL})|(?<word>(?!${UNSPACED})\\p{L}(?:(?!${UNSPACED})[\\p{L}\\p{M}\\d_])*)|(?<space>\\s+)|.`,
  "gsu",
);

export function tokenize(text: string): Token[] {
  return [...text.matchAll(TOKEN)].map((match) => {
    const { number, word, space } = match.groups!;
    const kind =
      number !== undefined ? "number" : word !== undefined ? "word" : space !== undefined ? "space" : "mark";
    return { kind, text: match[0], at: match.index };
  });
}

export function skipSpace(tokens: readonly Token[], at: number): number {
  return tokens[at]?.kind === "space" ? at + 1 : at;
}

export function lower(tokens: readonly Token[], at: number): string {
  const token = tokens[at];
  return token?.kind === "word" ? token.text.toLowerCase() : "";
}
