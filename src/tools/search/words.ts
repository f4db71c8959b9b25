/**
 * Text as index terms, the same for passages and queries.
 *
 * Words of scripts that put spaces between them: runs of letters and digits in lower case, without accents ("Alû" is
 * found by "alu", "Łódź" by "lodz"), a possessive 's dropped. Not stemmed. Stop words are Lucene's classic list.
 *
 * Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese: each pair of neighboring characters, as in Lucene's CJK
 * analyzer, and each Chinese character and Korean syllable alone. Pairs need no dictionary, so that an index is the
 * same on every version of Node. Korean has spaces, but its particles stick to the words.
 */
const UNSPACED =
  "(?=[\\p{L}\\p{N}])[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Hangul}\\p{scx=Bopomofo}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}]\\p{M}*";
const LETTER = `(?!${UNSPACED})[\\p{L}\\p{N}]\\p{M}*`;
const RUN = new RegExp(`(?<characters>(?:${UNSPACED})+)|(?:${LETTER})+(?:['’](?:${LETTER})+)*`, "gu");
const CHARACTER = new RegExp(UNSPACED, "gu");
const ALONE = /[\p{scx=Han}\p{scx=Hangul}]/u;

/** Accents, vowel points and other marks that writers leave out. Vowel signs of Indic and Thai words are letters. */
const MARKS =
  /(?<=[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Arabic}\p{Script=Hebrew}])\p{M}+/gu;
/** Letters that Unicode does not decompose, as Lucene's ASCIIFoldingFilter spells them. */
const FOLDED: Readonly<Record<string, string>> = {
  ł: "l",
  đ: "d",
  ð: "d",
  ø: "o",
  ħ: "h",
  ı: "i",
  ŋ: "n",
  ŧ: "t",
  ß: "ss",
  æ: "ae",
  œ: "oe",
  þ: "th",
  ĸ: "q",
  ς: "σ",
};
const FOLDABLE = new RegExp(`[${Object.keys(FOLDED).join("")}]`, "g");

const STOP_WORDS: ReadonlySet<string> = new Set(
  (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they " +
    "this to was will with"
  ).split(" "),
);

/** Longer runs are not words that anyone searches for. */
const MAX_LENGTH = 64;

export function words(text: string): string[] {
  const found: string[] = [];
  for (const match of fold(text).matchAll(RUN)) {
    if (match.groups!.characters !== undefined) {
      pairs(match[0], found);
      continue;
    }
    const word = match[0].replace(/['’]s$/, "").replace(/['’]/g, "");
    if (word !== "" && word.length <= MAX_LENGTH && !STOP_WORDS.has(word)) found.push(word);
  }
  return found;
}

function fold(text: string): string {
  return text
    .replace(/\p{Cf}/gu, "") // soft hyphens, joiners
    .normalize("NFKD")
    .toLowerCase()
    .replace(MARKS, "")
    .normalize("NFKC")
    .replace(FOLDABLE, (letter) => FOLDED[letter]!);
}

function pairs(run: string, into: string[]): void {
  const characters = run.match(CHARACTER)!;
  for (const [i, character] of characters.entries()) {
    if (characters.length === 1 || ALONE.test(character)) into.push(character);
    if (i > 0) into.push(characters[i - 1]! + character);
  }
}
