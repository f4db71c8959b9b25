/** A number in digits with what belongs to it: fraction, power, suffix, scale. */
import { ATTACHED_UNITS, CHARACTER_SCALES, SCALES, SUFFIXES } from "./number-words.js";
import { numeralValue } from "./numeral.js";
import { type Read, scaled, scalesAfter } from "./scales.js";
import { lower, skipSpace, type Token } from "./tokens.js";

export function digitsAt(tokens: readonly Token[], start: number): Read {
  const numeral = (at: number) => numeralValue(tokens[at]!.text, isEuropean(tokens, at));
  let value = numeral(start);
  let end = start + 1;
  // 1/2, and 3 1/2
  const over = fractionAt(tokens, start);
  if (over) {
    const chain = tokens[over.end]?.text === "/" && tokens[over.end + 1]?.kind === "number";
    ({ value, end } = chain ? { value: undefined, end: over.end + 2 } : over);
  } else {
    const conjunction = lower(tokens, skipSpace(tokens, end)) === "and";
    const next = conjunction ? skipSpace(tokens, skipSpace(tokens, end) + 1) : skipSpace(tokens, end);
    const part = next > end && tokens[next]?.kind === "number" ? fractionAt(tokens, next) : undefined;
    if (part?.value !== undefined && /^\d+$/.test(tokens[start]!.text) && part.value < 1) {
      value = value! + part.value;
      end = part.end;
    }
  }
  // 10^3, and 1.2 × 10^5
  if (tokens[end]?.text === "^") {
    const power = powerAt(tokens, end);
    // A power of a fraction or only of its denominator; "5.10^3" is a product to some.
    const certain = over === undefined && !/\.10$/.test(tokens[start]!.text);
    return {
      value: power && value !== undefined && certain ? value ** power.value : undefined,
      end: power?.end ?? end + 1,
    };
  }
  const times = skipSpace(tokens, end);
  const ten = skipSpace(tokens, times + 1);
  if (
    /^[*xX]$/.test(tokens[times]?.text ?? "") &&
    tokens[ten]?.text === "10" &&
    tokens[ten + 1]?.text === "^"
  ) {
    const power = powerAt(tokens, ten + 1);
    if (power && value !== undefined) return { value: Number(`${value}e${power.value}`), end: power.end };
  }
  const attached = tokens[end];
  if (attached?.kind === "word") {
    const suffix = SUFFIXES.get(attached.text) ?? SCALES.get(attached.text.toLowerCase());
    const bare = attached.text.replace(/(?<=\p{L})[23]$/u, "");
    const raised = bare !== attached.text || tokens[end + 1]?.text === "^";
    const million = attached.text === "m" && isMoney(tokens, start);
    if (suffix !== undefined) value = scaled(value, suffix);
    else if (million) value = scaled(value, 1e6);
    else if (attached.text === "L" && isMoney(tokens, start)) value = undefined;
    else if (!ATTACHED_UNITS.has(bare) && !(raised && /^[a-z]{1,2}$/.test(bare))) value = undefined;
    end++;
    if (suffix === undefined && !million) return { value, end };
  }
  const character = skipSpace(tokens, end);
  const scale = CHARACTER_SCALES.get(tokens[character]?.text ?? "");
  if (scale !== undefined) {
    const more = tokens[skipSpace(tokens, character + 1)];
    const longer = more?.kind === "number" || CHARACTER_SCALES.has(more?.text ?? "");
    return { value: longer ? undefined : scaled(value, scale), end: character + (longer ? 2 : 1) };
  }
  // Metres, litres, or millions and lakhs of money.
  if (isMoney(tokens, start) && /^[mL]$/.test(tokens[skipSpace(tokens, end)]?.text ?? ""))
    return { value: undefined, end };
  return scalesAfter(tokens, { value, end });
}

function fractionAt(tokens: readonly Token[], start: number): Read | undefined {
  const slash = skipSpace(tokens, start + 1);
  if (tokens[slash]?.text !== "/") return undefined;
  const at = skipSpace(tokens, slash + 1);
  if (tokens[at]?.kind !== "number") return undefined;
  const [numerator, denominator] = [numeralValue(tokens[start]!.text), numeralValue(tokens[at]!.text)];
  const certain = numerator !== undefined && denominator !== undefined && denominator !== 0;
  return { value: certain ? numerator / denominator : undefined, end: at + 1 };
}

export function powerAt(tokens: readonly Token[], caret: number): { value: number; end: number } | undefined {
  const signed = tokens[caret + 1]?.text === "-" || tokens[caret + 1]?.text === "+";
  const at = caret + (signed ? 2 : 1);
  const text = tokens[at]?.text ?? "";
  if (!/^\d{1,3}$/.test(text)) return undefined;
  return { value: Number(text) * (signed && tokens[caret + 1]!.text === "-" ? -1 : 1), end: at + 1 };
}

function isEuropean(tokens: readonly Token[], at: number): boolean {
  const near = [skipSpace(tokens, at + 1), at - 1, at - 2].map((i) => tokens[i]?.text.toLowerCase() ?? "");
  return near.some(
    (text, i) => (i < 2 || tokens[at - 1]?.kind === "space") && /^(?:€|eur|euros?)$/.test(text),
  );
}

function isMoney(tokens: readonly Token[], at: number): boolean {
  return [1, 2].some((back) => /^\p{Sc}$/u.test(tokens[at - back]?.text ?? ""));
}
