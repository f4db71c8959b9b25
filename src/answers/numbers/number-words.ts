/** Words that are numbers, parts of numbers, or change what a number next to them means. */

const names = (words: string, first: number, step: number): [string, number][] =>
  words.split(" ").map((word, i) => [word, first + i * step]);

/** 0 … 19. */
export const SMALL = new Map(
  names(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " +
      "seventeen eighteen nineteen",
    0,
    1,
  ),
);
export const TENS = new Map(names("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)).set(
  "fourty",
  40,
);

const thousand =
  "thousand thousands thou tausend mille mila duizend тыс тысяч тысяча тысячи हजार हज़ार พัน nghìn ribu ألف";
const million =
  "million millions mn mln mio millionen millón millones milhão milhões milioni milione miljoen млн миллион миллиона " +
  "миллионов ล้าน triệu juta milyon مليون";
const milliard =
  "billion billions bn bln milliard milliards milliarde milliarden mrd miliardi miljard млрд tỷ miliar milyar";

/** Factors of the number before them. */
export const SCALES = new Map<string, number>([
  ["hundred", 100],
  ["hundreds", 100],
  ...spelled(thousand, 1e3),
  ...spelled(million, 1e6),
  ...spelled(milliard, 1e9),
  ...spelled("trillion trillions tn trn", 1e12),
  ...spelled("lakh lakhs lac lacs लाख", 1e5),
  ...spelled("crore crores करोड़", 1e7),
  ...spelled("quadrillion quadrillions", 1e15),
  ...spelled("dozen dozens doz dz", 12),
]);

function spelled(words: string, value: number): [string, number][] {
  return words.split(" ").map((word) => [word.normalize("NFKC"), value]);
}

/** Scales of Chinese, Japanese and Korean, written after digits without a space. */
export const CHARACTER_SCALES = new Map<string, number>([
  ...spelled("百 백", 1e2),
  ...spelled("千 천", 1e3),
  ...spelled("万 萬 만", 1e4),
  ...spelled("亿 億 억", 1e8),
  ...spelled("兆 조", 1e12),
]);

const denominators = names("third fourth fifth sixth seventh eighth ninth tenth", 3, 1);
/** "two thirds". In the singular they are fractions only after "one" and "a". */
export const DENOMINATORS = new Map<string, { value: number; plural: boolean }>([
  ["half", { value: 2, plural: false }],
  ["halves", { value: 2, plural: true }],
  ["quarter", { value: 4, plural: false }],
  ["quarters", { value: 4, plural: true }],
  ...[...denominators, ["hundredth", 100] as const, ["thousandth", 1000] as const].flatMap(
    ([word, value]): [string, { value: number; plural: boolean }][] => [
      [word, { value, plural: false }],
      [`${word}s`, { value, plural: true }],
    ],
  ),
]);

/** "k" and "M" right after the digits. "m" could be meters or millions, so it is read as neither. */
export const SUFFIXES = new Map<string, number>([
  ["k", 1e3],
  ["K", 1e3],
  ["M", 1e6],
  ["B", 1e9],
]);

/**
 * Units that are written right after the digits. Other letters there make a name ("2x", "18th", "3D"), not a number.
 */
export const ATTACHED_UNITS = new Set(
  (
    "km cm mm nm um μm kg g mg lb lbs oz h hr hrs min mins sec secs ms l L ml mL cl dl mph kmh kph ft in yd yds mi " +
    "gal ha W kW kWh MW Hz kHz MHz GHz KB kB MB GB TB J kJ cal kcal kPa rpm C F USD EUR GBP INR usd eur euro euros " +
    "dollars cents pct percent pts"
  ).split(" "),
);
