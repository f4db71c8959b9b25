/**
 * A value as the shortest decimal that is exact, when it has at most 15 significant digits (30 for whole numbers);
 * else rounded to 12. Powers of ten are written out up to 21 digits, as JavaScript does.
 */
import { isExact, toNumber, type Value } from "./value.js";

export function format(value: Value): string {
  if (isExact(value)) {
    if (value.denominator === 1n) {
      const digits = value.numerator.toString();
      if (digits.replace("-", "").length <= 30) return digits;
    }
    const exact = terminating(value.numerator, value.denominator);
    if (exact !== undefined) return exact;
  }
  // Adding zero turns -0 into 0.
  return String(Number(toNumber(value).toPrecision(12)) + 0);
}

/** The exact decimal expansion where it ends and is short; undefined elsewhere. */
function terminating(numerator: bigint, denominator: bigint): string | undefined {
  const negative = numerator < 0n;
  const size = negative ? -numerator : numerator;
  for (let places = 1; places <= 15; places++) {
    const scaled = size * 10n ** BigInt(places);
    if (scaled % denominator !== 0n) continue;
    const digits = (scaled / denominator).toString().padStart(places + 1, "0");
    if (digits.replace(/^0+/, "").length > 15) return undefined;
    return `${negative ? "-" : ""}${digits.slice(0, -places)}.${digits.slice(-places)}`;
  }
  return undefined;
}
