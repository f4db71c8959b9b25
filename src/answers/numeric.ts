/**
 * Numbers in answers: "10", "10.00", "$10", "10%", "1,000" and "10 apples" are the numbers they show.
 *
 * A text stands for a number when it shows exactly one, or when it ends in "= number". Text with several different
 * numbers stands for none: which of them was meant is not ours to guess.
 */
const NUMBER =
  /(?<![\p{L}\d])(?<sign>[-−+]\s?)?(?:[$€£¥₹]\s?)?(?<sign2>[-−])?(?<digits>\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?![\d])|\d+)?(?<fraction>\.\d+)?(?:e(?<exponent>[-+]?\d{1,3}))?(?<kilo>k\b)?/giu;
const FACTORS: Record<string, number> = {
  hundred: 1e2,
  thousand: 1e3,
  million: 1e6,
  billion: 1e9,
  trillion: 1e12,
};
/** Relative to the larger of 1 and the number. */
const TOLERANCE = 1e-6;

export function numericEqual(prediction: string, gold: string): boolean {
  const a = answerNumber(prediction);
  const b = answerNumber(gold);
  return a !== undefined && b !== undefined && Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(b));
}

/** The number an answer stands for; undefined when it shows none, or several. */
export function answerNumber(text: string): number | undefined {
  const bounded = text.slice(0, 1_000).trim();
  const result = bounded.includes("=") ? bounded.slice(bounded.lastIndexOf("=") + 1) : bounded;
  const found = numbersIn(result);
  const distinct = new Set(found);
  return distinct.size === 1 ? found[0] : undefined;
}

function numbersIn(text: string): number[] {
  const numbers: number[] = [];
  let end = 0;
  for (const match of text.matchAll(NUMBER)) {
    const { digits, fraction } = match.groups!;
    if (digits === undefined && fraction === undefined) continue;
    if (match.index < end) continue;
    end = match.index + match[0].length;
    const quotient = /^\s*\/\s*(\d+(?:\.\d+)?)(?![\d.])/.exec(text.slice(end));
    if (quotient) end += quotient[0].length;
    const value = readNumber(match.groups!) / (quotient ? Number(quotient[1]) : 1);
    const word = /^\s*(hundred|thousand|million|billion|trillion)\b/i.exec(text.slice(end));
    const scaled = value * (word ? FACTORS[word[1]!.toLowerCase()]! : 1);
    // "3 1/2": a whole number and a fraction after it are one number.
    const previous = numbers.at(-1);
    const mixed = quotient && previous !== undefined && Number.isInteger(previous);
    if (mixed && /^\d+ $/.test(text.slice(0, match.index).slice(-`${previous} `.length))) {
      numbers[numbers.length - 1] = previous + scaled;
    } else numbers.push(scaled);
  }
  return numbers.filter(Number.isFinite);
}

function readNumber(groups: Record<string, string | undefined>): number {
  const digits = (groups.digits ?? "0").replace(/[,\u00a0\u202f]/g, "");
  const exponent = groups.exponent === undefined ? "" : `e${groups.exponent}`;
  const value = Number(`${digits}${groups.fraction ?? ""}${exponent}`) * (groups.kilo ? 1_000 : 1);
  const negative = /[-−]/.test(groups.sign ?? "") || groups.sign2 !== undefined;
  return negative ? -value : value;
}
