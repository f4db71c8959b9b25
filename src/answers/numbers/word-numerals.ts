/** English words that are a number. */
import { DENOMINATORS, SCALES, SMALL, TENS } from "./number-words.js";
import { type Read, scalesAfter } from "./scales.js";
import { lower, skipSpace, type Token } from "./tokens.js";

/** Whether a number in words begins at a token. */
export function beginsWords(tokens: readonly Token[], at: number): boolean {
  const word = lower(tokens, at);
  if (SMALL.has(word) || TENS.has(word) || word === "half" || word === "once" || word === "twice")
    return true;
  if (word === "hundred" || word === "thousand" || word === "dozen" || /^[mb]illion$/.test(word)) return true;
  if (!/^an?$/.test(word)) return false;
  const next = lower(tokens, skipSpace(tokens, at + 1));
  const denominator = DENOMINATORS.get(next);
  return (denominator !== undefined && !denominator.plural) || (SCALES.has(next) && !next.endsWith("s"));
}

/** English cardinals, "one half", "half a dozen", "two and a half", "a quarter". */
export function wordsAt(tokens: readonly Token[], start: number): Read {
  const first = lower(tokens, start);
  if (first === "once") return { value: 1, end: start + 1 };
  if (first === "twice") return { value: 2, end: start + 1 };
  if (first === "half") return fractionOf(tokens, 1 / 2, start + 1);
  if (/^an?$/.test(first)) {
    const at = skipSpace(tokens, start + 1);
    const denominator = DENOMINATORS.get(lower(tokens, at));
    return denominator ? fractionOf(tokens, 1 / denominator.value, at + 1) : cardinal(tokens, at);
  }
  const whole = cardinal(tokens, start);
  const at = tokens[whole.end]?.text === "-" ? whole.end + 1 : skipSpace(tokens, whole.end);
  const denominator = DENOMINATORS.get(lower(tokens, at));
  if (denominator === undefined) return scalesAfter(tokens, whole);
  const certain = denominator.plural ? whole.value !== 1 : whole.value === 1;
  if (!certain || whole.value === undefined) return { value: undefined, end: at + 1 };
  return fractionOf(tokens, whole.value / denominator.value, at + 1);
}

/** "half a dozen", "a quarter million"; a fraction of something counted, else. */
function fractionOf(tokens: readonly Token[], fraction: number, end: number): Read {
  const article = tokens[end]?.text === "-" ? end + 1 : skipSpace(tokens, end);
  const at = /^an?$/.test(lower(tokens, article)) ? skipSpace(tokens, article + 1) : article;
  const scale = SCALES.get(lower(tokens, at));
  return scale === undefined ? { value: fraction, end } : { value: fraction * scale, end: at + 1 };
}

function cardinal(tokens: readonly Token[], start: number): Read {
  let [total, group, scale, end] = [0, 0, Number.POSITIVE_INFINITY, start];
  let valid = true;
  let counted = false;
  for (let at = start; ; at = nextWord(tokens, end)) {
    const word = lower(tokens, at);
    const small = SMALL.get(word);
    const tens = TENS.get(word);
    const factor = SCALES.get(word);
    if (small !== undefined) {
      // After "twenty" only one to nine, after "hundred" anything.
      valid &&=
        !counted ||
        (group % 100 === 0 && small > 0) ||
        (group % 10 === 0 && group % 100 >= 20 && small < 10 && small > 0);
      group += small;
    } else if (tens !== undefined) {
      valid &&= group % 100 === 0 && !(counted && total === 0 && group === 0);
      group += tens;
    } else if (word === "hundred") {
      valid &&= group < 100;
      group = (counted && group > 0 ? group : 1) * 100;
    } else if (factor === 12) {
      return { value: valid && total === 0 ? (group || 1) * 12 : undefined, end: at + 1 };
    } else if (factor !== undefined && factor > 100) {
      valid &&= factor < scale;
      total += (group || 1) * factor;
      group = 0;
      scale = factor;
    } else break;
    counted = true;
    end = at + 1;
  }
  return { value: valid ? total + group : undefined, end };
}

/** The next word of a number: after a space, a hyphen, or "and" that such a word follows. */
function nextWord(tokens: readonly Token[], end: number): number {
  const at = tokens[end]?.text === "-" ? end + 1 : skipSpace(tokens, end);
  if (lower(tokens, at) !== "and") return at;
  const next = skipSpace(tokens, at + 1);
  const before = lower(tokens, end - 1);
  const joins = before === "hundred" || (SCALES.get(before) ?? 0) >= 1e3;
  return joins && (SMALL.has(lower(tokens, next)) || TENS.has(lower(tokens, next))) ? next : at;
}
