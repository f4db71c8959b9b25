/**
 * Text as index terms: runs of letters and digits, lower case, without accents ("Alû" is found by "alu"), a possessive
 * 's dropped. Not stemmed. Stop words are Lucene's classic list.
 */
const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu;
const MARKS = /\p{M}+/gu;

const STOP_WORDS: ReadonlySet<string> = new Set(
  (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they " +
    "this to was will with"
  ).split(" "),
);

/** Longer runs are no words anyone searches for. */
const MAX_LENGTH = 64;

export function words(text: string): string[] {
  const found: string[] = [];
  const plain = text.normalize("NFKD").replace(MARKS, "").toLowerCase();
  for (const [match] of plain.matchAll(WORD)) {
    const word = match.replace(/['’]s$/, "").replace(/['’]/g, "");
    if (word !== "" && word.length <= MAX_LENGTH && !STOP_WORDS.has(word)) found.push(word);
  }
  return found;
}
