/**
 * The numbers a text gives, spelled out or in digits, with what they commonly stand for: 20 % also gives 0.2, 0.8 and
 * 1.2; "half" gives 2 and 0.5; "a dozen" 12; "twice" 2.
 */
import { NUMERAL, numeralValue } from "../../answers/numbers/numeral.js";
import { plainText } from "../../answers/numbers/plain-text.js";
import { quantitiesIn } from "../../answers/numbers/quantities.js";

const WORDS: Record<string, readonly number[]> = {
  one: [1],
  two: [2],
  three: [3],
  four: [4],
  five: [5],
  six: [6],
  seven: [7],
  eight: [8],
  nine: [9],
  ten: [10],
  eleven: [11],
  twelve: [12],
  thirteen: [13],
  fourteen: [14],
  fifteen: [15],
  sixteen: [16],
  seventeen: [17],
  eighteen: [18],
  nineteen: [19],
  twenty: [20],
  thirty: [30],
  forty: [40],
  fifty: [50],
  sixty: [60],
  seventy: [70],
  eighty: [80],
  ninety: [90],
  hundred: [100],
  thousand: [1000],
  million: [1_000_000],
  once: [1],
  twice: [2],
  double: [2],
  doubled: [2],
  doubles: [2],
  thrice: [3],
  triple: [3],
  tripled: [3],
  both: [2],
  half: [2, 0.5],
  halves: [2, 0.5],
  third: [3, 1 / 3],
  thirds: [3, 1 / 3],
  quarter: [4, 0.25],
  quarters: [4, 0.25],
  fourth: [4, 0.25],
  fourths: [4, 0.25],
  fifth: [5, 0.2],
  fifths: [5, 0.2],
  sixth: [6],
  eighth: [8],
  tenth: [10, 0.1],
  dozen: [12],
  dozens: [12],
  couple: [2],
  pair: [2],
  pairs: [2],
  percent: [100],
};

/** Facts that problems leave to the reader, each where its unit is named. */
const UNITS: readonly [RegExp, readonly number[]][] = [
  [/\bminutes?\b|\bhours?\b|\bseconds?\b/i, [60, 3600]],
  [/\bdays?\b|\bdaily\b/i, [24, 7, 30, 31, 365]],
  [/\bweeks?\b|\bweekly\b|\bweekdays?\b|\bweekends?\b/i, [7, 52, 4, 5, 2]],
  [/\bmonths?\b|\bmonthly\b|\byears?\b|\byearly\b|\bannual/i, [12, 30, 52, 365]],
  [/\bcents?\b|\bdollars?\b|\$|%|\bmet(er|re)s?\b/i, [100]],
  [/\bfeet\b|\bfoot\b|\binch(es)?\b|\byards?\b/i, [12, 3, 36]],
  [/\bkilo|\bgrams?\b|\blit(er|re)s?\b|\bm(l|g)\b/i, [1000]],
  [/\bpounds?\b|\bounces?\b/i, [16]],
  [/\bdecades?\b/i, [10]],
  [/\bquarters?\b/i, [25]],
  [/\bdimes?\b/i, [10]],
  [/\bnickels?\b/i, [5]],
];

/** The numbers written in digits, without their signs. An ambiguous one ("12,34") gives each of its parts. */
export function numbersIn(text: string): number[] {
  return [...plainText(text).matchAll(new RegExp(NUMERAL, "gu"))].flatMap(([numeral]) => {
    const value = numeralValue(numeral);
    return value === undefined
      ? numeral
          .split(/[^\d.]+/)
          .map(Number)
          .filter(Number.isFinite)
      : [value];
  });
}

/** The quantities of a text as final answers are read: "2 dozen" is 24, "1½" is 1.5, "minus 5" is -5. */
export function quantitiesOf(text: string): { value: number; percent: boolean }[] {
  return plainText(text)
    .split(/[;\n]+|\.(?=\s|$)/)
    .flatMap(quantitiesIn)
    .flatMap(({ value, percent }) => (value === undefined ? [] : [{ value, percent }]));
}

/** All that a text's reader may calculate with. */
export function numbersGiven(text: string): number[] {
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  const quantities = quantitiesOf(text);
  const percents = quantities
    .filter(({ percent }) => percent)
    .flatMap(({ value: p }) => [p / 100, 1 - p / 100, 1 + p / 100, 100 - p, 100 + p]);
  const fractions = [...text.matchAll(/(\d+)\s*\/\s*(\d+)/g)].map(([, a, b]) => Number(a) / Number(b));
  const units = UNITS.flatMap(([unit, values]) => (unit.test(text) ? values : []));
  return [
    ...numbersIn(text),
    ...quantities.map(({ value }) => Math.abs(value)),
    ...percents,
    ...fractions,
    ...words.flatMap((word) => WORDS[word] ?? []),
    ...units,
  ];
}

/** Whole numbers are compared exactly, others up to the rounding of a shown result. */
export function sameNumber(a: number, b: number): boolean {
  if (Number.isInteger(a) && Number.isInteger(b)) return a === b;
  return Math.abs(a - b) <= 1e-9 + 1e-3 * Math.min(Math.abs(a), Math.abs(b));
}
