/** What multiplies the number before it: "dozen", "thousand", "and a half million". */
import { DENOMINATORS, SCALES, SMALL } from "./number-words.js";
import { lower, skipSpace, type Token } from "./tokens.js";

/** A number that was read, or not, and the token after it. */
export interface Read {
  value: number | undefined;
  end: number;
}

/** "2 dozen", "5 hundred thousand", "1 and a half million", "2 million 500 thousand" (which is not read). */
export function scalesAfter(tokens: readonly Token[], read: Read): Read {
  let { value, end } = read;
  const half = halfAfter(tokens, end);
  if (half) {
    const whole = value !== undefined && Number.isInteger(value) && value < 1000;
    value = whole ? value! + half.value : undefined;
    end = half.end;
  } else {
    // "5 sixths", "5-sixths"
    const part = scaleStart(tokens, end);
    const denominator = part > end ? DENOMINATORS.get(lower(tokens, part)) : undefined;
    if (denominator) {
      const certain = denominator.plural && denominator.value !== 4 && value !== undefined;
      return { value: certain ? value! / denominator.value : undefined, end: part + 1 };
    }
  }
  let before = Number.POSITIVE_INFINITY;
  let found = false;
  for (let at = scaleStart(tokens, end); ; at = scaleStart(tokens, end)) {
    const word = tokens[at]?.text ?? "";
    const factor = word === "k" ? 1e3 : SCALES.get(word.toLowerCase());
    if (factor === undefined) {
      // A capital after a space is a scale to some and a unit to others.
      if (at > end && /^(?:K|M|B|T|MM)$/.test(word)) value = undefined;
      break;
    }
    // "hundred thousand" grows, "thousand hundred" is nothing; a dozen ends the row.
    if (found && !(before === 100 && factor > 100 && factor !== 12)) return { value: undefined, end: at + 1 };
    value = scaled(value, factor);
    before = factor;
    found = true;
    end = at + 1;
  }
  if (found && halfAfter(tokens, end)) return { value: undefined, end };
  return { value, end };
}

/** "2-million" is two million. */
function scaleStart(tokens: readonly Token[], end: number): number {
  return tokens[end]?.text === "-" && tokens[end + 1]?.kind === "word" ? end + 1 : skipSpace(tokens, end);
}

function halfAfter(tokens: readonly Token[], end: number): { value: number; end: number } | undefined {
  const and = skipSpace(tokens, end);
  if (lower(tokens, and) !== "and") return undefined;
  const count = skipSpace(tokens, and + 1);
  const numerator = /^an?$/.test(lower(tokens, count)) ? 1 : SMALL.get(lower(tokens, count));
  const separator = count + 1;
  const part = tokens[separator]?.text === "-" ? separator + 1 : skipSpace(tokens, separator);
  const denominator = DENOMINATORS.get(lower(tokens, part));
  if (!numerator || !denominator || numerator > 1 !== denominator.plural) return undefined;
  return { value: numerator / denominator.value, end: part + 1 };
}

export function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : Number((value * factor).toPrecision(15));
}
