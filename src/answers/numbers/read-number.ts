/**
 * The number that a final answer stands for. Nothing is guessed: a text with several numbers, or with a number that
 * something next to it changes ("18 or 19", "3-4", "3:30", "2x", "18th"), has no number.
 *
 * An answer may be announced ("#### 18", "\boxed{18}", "the answer is 18"); then only the announced part counts. A
 * calculation next to the number has to agree with it: "18 = 9 * 2" and "9 * 2 = 18" are 18; "9 * 2 = 19" and "9 * 2"
 * are not numbers. A number that is repeated in another clause or in parentheses has to be the same one.
 */
import { calculate } from "../../tools/calculator/index.js";
import { plainText } from "./plain-text.js";
import { type Quantity, quantitiesIn } from "./quantities.js";

/** Maximum length in characters: a longer text is not a final answer. */
const MAX_LENGTH = 1_000;

export interface NumberReading {
  value: number;
  /** Whether it is written as a percentage: 50 for "50 %". */
  percent: boolean;
  /** The unit that is written next to it, in one spelling, where it is a known one (units.ts). */
  unit: string | undefined;
}

/** A factorial or an exclamation; a negative amount as accountants write it, or one in parentheses. */
const AMBIGUOUS = /^[^\p{L}\p{N}]*[\d.,]+\s*!|^\s*\(\s*\p{Sc}\s*[\d.,]+\s*\)\s*$|\d \. \d/u;

/** What a part of an answer shows: nothing, one number, a calculation's result, or something that cannot be read. */
type Part = Shown | { kind: "none" | "unclear" };
type Shown = { kind: "number" | "calculation" } & NumberReading;

const NONE: Part = { kind: "none" };
const UNCLEAR: Part = { kind: "unclear" };

export function readNumber(text: string): NumberReading | undefined {
  if (text.length > MAX_LENGTH || AMBIGUOUS.test(text)) return undefined;
  const parts = announced(text).flatMap((one) => clauses(plainText(one)).map(readClause));
  const read = agreed(parts);
  return read.kind === "number" ? { value: read.value, percent: read.percent, unit: read.unit } : undefined;
}

/** What stands next to a box and changes the number in it: "-\boxed{5}", "2\boxed{5}", "\boxed{5} million". */
const BESIDE_BEFORE =
  /(?:(?<=^|[=(:$\n]\s*)[-\u2010-\u2013\u2212]\s*|[-\u2010-\u2013\u2212]|[+*/^\d]\s*|\b(?:minus|negative)\s+)$/i;
const BESIDE_AFTER =
  /^\s*(?:\\?%|[*/^!\d]\S*|[-\u2010-\u2013\u2212](?=\s*(?:\d|$))|(?:percent|dozen|hundred|thousand|[a-z]*illion|squared|cubed|times)\b)/i;

const SIGN_BEFORE_MARK = /[-+*/^~\u2010-\u2015\u2212\u2796\u02d7]\s*$|\b(?:minus|negative|not)\s*$/i;
const UNREADABLE = "1 or 2";

function announced(text: string): string[] {
  const boxed = [...text.matchAll(/\\f?boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}/g)].map((match) => {
    const end = match.index + match[0].length;
    const before = BESIDE_BEFORE.exec(text.slice(0, match.index))?.[0] ?? "";
    return (
      before.replace(/\d\s*$/, "$& ") + match[1]! + (BESIDE_AFTER.exec(text.slice(end, end + 20))?.[0] ?? "")
    );
  });
  if (boxed.length > 0) return boxed;
  const [before = "", ...marked] = text.split("####");
  // A sign before the mark is a bullet or belongs to the number.
  if (marked.length > 0) return SIGN_BEFORE_MARK.test(before) ? [UNREADABLE] : marked;
  const said = text.split(/\banswers?\b/i);
  const [, after] = said.length === 2 ? (/^\s*(?:is(?![\p{L}'])|=|:)[:\s]*(.*)$/su.exec(said[1]!) ?? []) : [];
  return [after ?? text];
}

function clauses(text: string): string[] {
  return text.split(
    /[;\n]+|\.(?=\s|$)|(?<=[\p{L})"'*]\s?)(?<!\b(?:minus|negative)\s?):(?!\d)|\b(?:because|since|thus|hence|therefore|(?<!\bor )so|i\.e\.|meaning)\b/u,
  );
}

function readClause(text: string): Part {
  const sides = text.split(/=|\bequals\b|\bequal to\b/);
  return sides.length === 1 ? readParenthesized(text) : agreed(sides.map(readSide));
}

/** One side of an equation. A name ("x", "the total") may be equated with a number, a formula may not. */
function readSide(text: string): Part {
  const formula = /(?<!\p{L})\p{L}\s*[-+*/^]|[-+*/^]\s*\p{L}(?!\p{L})/u;
  if (formula.test(text.replace(/(?<=\d)\s*[xX]\s*(?=\d)/g, "*"))) return UNCLEAR;
  const balanced = text.split("(").length === text.split(")").length;
  const part = readParenthesized(balanced ? text : text.replace(/[()]/g, " "));
  return part.kind === "none" && /[\d+*/^()-]/.test(text) ? UNCLEAR : part;
}

/** "10 (10 in total)", "18 (9 * 2)": what is in parentheses has to agree with what is before them. */
function readParenthesized(text: string): Part {
  const whole = readPart(text);
  if (whole.kind !== "unclear" || !/[()]/.test(text)) return whole;
  if (quantitiesIn(text).length < 2 || /[-+*/^\p{L}\p{N}]\(|\)[\p{L}\p{N}]/u.test(text)) return UNCLEAR;
  return agreed(text.split(/[()]/).map(readPart));
}

function readPart(text: string): Part {
  const quantities = quantitiesIn(text);
  if (quantities.length === 0)
    return /\p{N}/u.test(text.replace(/\p{L}[\p{L}\p{N}_]*/gu, "")) ? UNCLEAR : NONE;
  const [only] = quantities;
  if (quantities.length === 1 && only!.value !== undefined && !isCalculation(text)) return numberOf(only!);
  return calculation(text);
}

function numberOf({ value, percent, unit }: Quantity): Part {
  return { kind: "number", value: value!, percent, unit };
}

/** An operator whose other side is not a number: "18 + x", "x * 5". */
function isCalculation(text: string): boolean {
  return /\d\s*[*+]\s*[\p{L}(]|\d\s*[-/]\s*\p{L}(?!\p{L})|\p{L}\s*[*/]\s*\d/u.test(text);
}

const OPERATORS: readonly [RegExp, string][] = [
  [/\b(?:times|of|multiplied by)\b|(?<=\d\s*)x(?=\s*\d)/gi, "*"],
  [/\bdivided by\b/gi, "/"],
  [/\bplus\b/gi, "+"],
  [/\bminus\b/gi, "-"],
  [/\p{Sc}|\p{L}+/gu, " "], // units
];

/** Calculates what is written in digits and operators; words next to its numbers are units. */
function calculation(text: string): Part {
  if (/\d\s*(?![xX])[a-zA-Z](?!\p{L})/u.test(text)) return UNCLEAR;
  const expression = OPERATORS.reduce((at, [word, operator]) => at.replace(word, operator), text).trim();
  if (!/^[\d.,%\s+*/^()-]+$/.test(expression) || !/\d[\s)%]*[-+*/^]/.test(expression)) return UNCLEAR;
  try {
    const value = Number(calculate(expression));
    return Number.isFinite(value) ? { kind: "calculation", value, percent: false, unit: undefined } : UNCLEAR;
  } catch {
    return UNCLEAR;
  }
}

/** The last number of parts that all agree; "unclear" when one does not, or cannot be read. */
function agreed(parts: readonly Part[]): Part {
  const shown = parts.filter((part): part is Shown => part.kind === "number" || part.kind === "calculation");
  if (parts.some(({ kind }) => kind === "unclear")) return UNCLEAR;
  const numbers = shown.filter(({ kind }) => kind === "number");
  const last = numbers.at(-1);
  if (last === undefined) return shown.length === 0 ? NONE : UNCLEAR;
  const units = new Set(shown.flatMap(({ unit }) => unit ?? []));
  if (units.size > 1) return UNCLEAR;
  const agrees = (part: Shown) =>
    agree(part.value, last.value) && (part.percent === last.percent || part.kind === "calculation");
  return shown.every(agrees) ? { ...last, unit: [...units][0] } : UNCLEAR;
}

/** Whether two ways to write a number mean the same one. Fractions may have been rounded, whole numbers not. */
function agree(a: number, b: number): boolean {
  if (Number.isInteger(a) && Number.isInteger(b)) return a === b;
  return Math.abs(a - b) <= 0.005 * Math.max(1, Math.abs(b));
}
