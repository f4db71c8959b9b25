/** Compares answers as numbers. "10.00", "$10" and "10 apples" are read as 10. */
import { ofArguments } from "../errors/arguments.js";
import { readNumber } from "./numbers/read-number.js";

/** Relative to the larger of 1 and the number. Whole numbers are compared exactly. */
const TOLERANCE = 1e-6;

/**
 * Whether two answers are the same number: within 1e-6 relative to the larger of 1 and `gold`, whole numbers exactly.
 *
 * A percent sign may be left out, as in most answer keys, or written out: "50 %" equals "50" and "0.5". A unit may be
 * left out as well, but two different ones are different answers, whatever they amount to: "18 km" equals "18" and
 * "18 kilometers", and neither "18 g" nor "18000 m". Words that only say what is counted ("18 apples") are not compared.
 * A text whose number cannot be read for certain equals nothing.
 */
export function numericEqual(prediction: string, gold: string): boolean {
  return ofArguments("numericEqual", "(prediction: a text, gold: a text)", () => {
    const a = readNumber(prediction);
    const b = readNumber(gold);
    if (a === undefined || b === undefined) return false;
    if (a.unit !== undefined && b.unit !== undefined && a.unit !== b.unit) return false;
    if (same(a.value, b.value)) return true;
    if (a.percent === b.percent) return false;
    return a.percent ? same(a.value / 100, b.value) : same(a.value, b.value / 100);
  });
}

/**
 * The number that an answer shows. Undefined when it shows none, several, or one that cannot be read for certain.
 *
 * @example
 * answerNumber("$1,250.50"); // 1250.5
 */
export function answerNumber(text: string): number | undefined {
  return ofArguments("answerNumber", "a text", () => {
    return readNumber(text)?.value;
  });
}

function same(a: number, b: number): boolean {
  if (Number.isInteger(a) && Number.isInteger(b)) return a === b;
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(b));
}
