/**
 * The unit of a number, where it is one that has a fixed meaning: "18 km" and "18 kilometers" are km, "$18" is dollars.
 * Words that only say what is counted ("apples"), and units that have two meanings ("pounds", "degrees"), are none.
 */

const SPELLINGS = `
km: km kilometer kilometers kilometre kilometres kms
m: m meter meters metre metres
cm: cm centimeter centimeters centimetre centimetres cms
mm: mm millimeter millimeters millimetre millimetres
mi: mi mile miles
ft: ft foot feet
yd: yd yds yard yards
inch: inch inches
kg: kg kgs kilogram kilograms kilo kilos
g: g gram grams gm gms
mg: mg milligram milligrams
lb: lb lbs
oz: oz ounce ounces
t: tonne tonnes
l: l L liter liters litre litres
ml: ml mL milliliter milliliters millilitre millilitres
gal: gal gallon gallons
s: s sec secs second seconds
min: min mins minute minutes
h: h hr hrs hour hours
day: day days
week: week weeks
month: month months
year: year years yr yrs
$: $ US$ USD dollar dollars
cent: ¢ cent cents
€: € EUR euro euros
£: £ GBP
¥: ¥ JPY yen
₹: ₹ INR Rs rupee rupees
°C: °C celsius
°F: °F fahrenheit
`;

const UNITS = new Map(
  SPELLINGS.trim()
    .split("\n")
    .flatMap((line) => {
      const [unit = "", spellings = ""] = line.split(": ");
      return spellings.split(" ").map((spelling): [string, string] => [spelling, unit]);
    }),
);

/** One spelling. Case distinguishes only short names: "Miles" is a mile, "M" no meter. */
function unitOf(word: string): string | undefined {
  return UNITS.get(word) ?? (word.length > 3 ? UNITS.get(word.toLowerCase()) : undefined);
}

const BEFORE = /(US\$|\p{Sc}|(?<!\p{L})(?:USD|EUR|GBP|JPY|INR|Rs)\.?)\s*[-+]?\s*$/u;
const AFTER =
  /^[\s-]*(?:(square|sq\.?|cubic|cu\.?)\s+)?(°\s?[CF]\b|\p{Sc}|\p{L}+)\.?(?:\s*\^?([23])(?!\d))?(\s*\/\s*(\p{L}+)(?:\s*\^?([23])(?!\d))?|\s+(?:per|an?)\s+(\p{L}+))?/u;

/** The unit next to a number: `before` and `after` are the plain text on its sides. */
export function unitBeside(before: string, after: string): string | undefined {
  const [, currency] = BEFORE.exec(before) ?? [];
  const [, power, word = "", exponent, , over, overExponent, per] = AFTER.exec(after) ?? [];
  const base = unitOf(word.replace(/\s/g, "")) ?? (currency && unitOf(currency.replace(".", "")));
  if (base === undefined) return undefined;
  const raised = power ? (/^sq/.test(power) ? "2" : "3") : exponent;
  const unit = raised ? `${base}^${raised}` : base;
  const divisor = over ?? per;
  if (divisor === undefined) return unit;
  const divided = unitOf(divisor);
  return divided && `${unit}/${divided}${overExponent ? `^${overExponent}` : ""}`;
}
