/**
 * The answer normalization of SQuAD's and HotpotQA's evaluation: case, punctuation, articles and spacing do not count.
 *
 * There are two differences. Punctuation of every script is ignored, and so are other encodings of the same letters.
 * Signs and decimal points are kept, since they change a number: SQuAD's script takes "1.5" for "15" and "-5" for "5".
 */
import { ofArguments } from "../errors/arguments.js";

/** Python's string.punctuation, which both use, and the punctuation of other scripts. */
const PUNCTUATION = /[\p{P}$+<=>^`|~]/gu;
/** A sign before a number, and what stands between its digits. Thousands separators are not among them. */
const SIGN = /(?<=^|[\s([{"'$=:])-\s?(?=[\p{Sc}.]{0,2}\d)/gu;
const DASH = /[\u2010-\u2015\u2212]/g;
const THOUSANDS = /(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])/g;
const BETWEEN_DIGITS = /(?<=\d)[-.,:/^+](?=\d)|(?<![\d\p{L}])\.(?=\d)/gu;
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** Kept marks become letters of the private use area, which no punctuation class holds. */
const KEPT = "-.,:/^+";
const FIRST = 0xe000;

/**
 * Normalizes an answer for comparison: lower case, without punctuation, articles and extra spaces. Signs, decimal points
 * and other marks that change a number are kept.
 *
 * @example
 * normalizeAnswer("The Eiffel Tower!"); // "eiffel tower"
 */
export function normalizeAnswer(text: string): string {
  return ofArguments("normalizeAnswer", "a text", () => {
    return plain(text)
      .toLowerCase()
      .replace(THOUSANDS, (number) => number.replaceAll(",", ""))
      .replace(SIGN, keep("-"))
      .replace(BETWEEN_DIGITS, (mark) => keep(mark))
      .replace(PUNCTUATION, "")
      .replace(/[\ue000-\ue006]/g, (mark) => KEPT[mark.charCodeAt(0) - FIRST]!)
      .replace(ARTICLES, " ")
      .split(/\s+/)
      .filter((word) => word !== "")
      .join(" ");
  });
}

/** One encoding of each letter: composed, not full-width, without invisible characters. "²" stays a power. */
function plain(text: string): string {
  return text
    .replace(/[\p{Cf}\ue000-\ue006]/gu, "")
    .replace(/[^\p{No}\u2026]+/gu, (part) => part.normalize("NFKC"))
    .replace(DASH, "-");
}

function keep(mark: string): string {
  return String.fromCharCode(FIRST + KEPT.indexOf(mark[0]!));
}
