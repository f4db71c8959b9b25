/**
 * Digits with their separators as a number. Only a grouping that no other convention writes is read: "1,000" and
 * "1.234,56" are, "1,5" (a decimal, or two numbers) is not.
 */

/** What may be one number, to be checked by `numeralValue`: it takes every separator that digits follow. */
export const NUMERAL =
  "(?:\\d+(?:[.,'_]\\d+| (?=\\d{3}(?!\\d))\\d{3})*|(?<![\\p{L}\\d)])\\.\\d+)(?:[eE][-+]?\\d{1,3}(?![\\p{L}\\d]))?";

const PLAIN = /^(?:\d+(?:\.\d+)?|\.\d+)$/;
const COMMAS = /^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/;
const LAKHS = /^[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?$/;
const OTHERS = /^[1-9]\d{0,2}([ '_])\d{3}(?:\1\d{3})*(?:\.\d+|,\d{1,2}|,\d{4,})?$/;
const POINTS = /^[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})$/;

/** `european`: the amount is in euros, so that "18,50" is a decimal and "1.000" could be a thousand. */
export function numeralValue(numeral: string, european = false): number | undefined {
  const [mantissa = "", exponent = "0"] = numeral.split(/e/i);
  const plain = plainMantissa(mantissa, european);
  const value = plain === undefined ? Number.NaN : Number(`${plain}e${exponent}`);
  if (!Number.isFinite(value)) return undefined;
  // A whole number that a double cannot hold would equal its neighbors.
  const whole = exponent === "0" && /^\d+$/.test(plain!);
  return whole && BigInt(value) !== BigInt(plain!) ? undefined : value;
}

function plainMantissa(mantissa: string, european: boolean): string | undefined {
  if (european && /^\d+,\d\d?$/.test(mantissa)) return mantissa.replace(",", ".");
  if (european && /^[1-9]\d{0,2}\.\d{3}$/.test(mantissa)) return undefined;
  if (PLAIN.test(mantissa)) return mantissa;
  if (COMMAS.test(mantissa) || LAKHS.test(mantissa)) return mantissa.replaceAll(",", "");
  if (POINTS.test(mantissa)) return mantissa.replaceAll(".", "").replace(",", ".");
  if (OTHERS.test(mantissa)) return mantissa.replace(/[ '_]/g, "").replace(",", ".");
  return undefined;
}
