/**
 * The quantities of a plain text (plain-text.ts), each read whole or not at all: sign, currency, digits or English
 * words, fraction, power, scale and percent sign. `value` is undefined where something next to the digits changes what
 * they mean and is not understood: "2x", "18th", "3:30", "not 18", "18 or more".
 */
import { digitsAt, powerAt } from "./digit-numerals.js";
import { lower, skipSpace, type Token, tokenize } from "./tokens.js";
import { unitBeside } from "./units.js";
import { beginsWords, wordsAt } from "./word-numerals.js";

export interface Quantity {
  value: number | undefined;
  percent: boolean;
  /** Its unit in one spelling, where it is a known one. */
  unit: string | undefined;
  /** Whether it is written in digits. */
  digits: boolean;
}

const CURRENCY =
  /(?:(?<!\p{L})(?:US|CA|AU|HK|NZ|A|C|S|R)?\$|\p{Sc}|(?<![\p{L}])(?:USD|EUR|GBP|INR|CAD|AUD|JPY|CNY|CHF|Rs\.?))\s*$/iu;
/** Minus and negative, as languages with and without spaces between words write them. */
const MINUS_WORD = new RegExp(
  "(?:(?<![\\p{L}\\p{M}-])(?:minus|negative|neg\\.?|moins|menos|meno|menys|mínus|miinus|минус|мінус|μείον|πλην|מינוס|ناقص|" +
    "سالب|منفی|eksi|âm|ลบ|माइनस|ऋण|négatif|negativo|negatif)\\s+" +
    "|(?:マイナス|마이너스|负|負|負の|零下|영하|음수|ลบ)\\s*)$",
  "iu",
);
const CHANGED_BEFORE = new RegExp(
  "(?:n't|\\b(?:than|least|most|over|under|above|below|beyond|exceed(?:s|ing)?|almost|nearly|not|never|neither|nor|" +
    "hardly|scarcely|except|excluding|besides|min|minimum|maximum|max|every|within|version|minus:?|negative:?|v|" +
    "squared?|cubed?|root|log|ln|sqrt|sin|cos|tan|double|triple|treble|twice|half|thrice|mod|modulo|point|dot|before|" +
    "until|till|since|down)|\\bup to|\\binstead of|\\banything but" +
    "|\\b(?:twice|half|double|triple|root|square|cube|reciprocal|inverse|opposite|third|quarter|fourth|fifth)s? of" +
    // More than one of what is counted: "a pair of 5", "groups of 5".
    "|\\b(?:pairs?|couples?|multiples?|powers?|groups|sets|teams|packs|packets|boxes|bags|rows|stacks|bundles) of" +
    // An amount that is below zero to some and counted from zero to others.
    "|\\b(?:loss|losses|deficit|debt|shortfall|overdraft)(?: (?:is|was))?(?: of|:)?" +
    "|\\b(?:decrease|decline|drop|fall|reduction|decreased|declined|dropped|fell|reduced) (?:of|by)" +
    "|\\bnegative \\p{L}+(?: of)?|\\bminus sign)\\s*(?:a |an |the )?[(\"']?\\s*$" +
    "|[第零减減欠亏]\\s*$|\\(\\s*(?:-|minus|negative)\\s*\\)\\s*$" +
    // A dash of another kind, an ellipsis, an operator without its left side, a percent sign in front.
    "|[\\u058a\\u05be\\u1806\\u2e3a\\u2e3b\\u3030\\u30a0\\u30fc\\u2500\\u23af\\u301c\\u2053\\u3161]\\s*\\p{Sc}?$" +
    "|(?<!\\p{L})\\.$|[×/^_%]$|^\\s*\\*$",
  "iu",
);
/** "no one", "the two" */
const PRONOUN_BEFORE = /(?<!\p{L})(?:no|any|every|some|only|each|which|this|that|these|those|the)[ -]$/iu;
const MONTH =
  "(?:January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)";
const MONTH_BEFORE = new RegExp(`(?<!\\p{L})${MONTH}\\.?\\s*$`, "u");
const CHANGED_AFTER = new RegExp(
  "^(?:\\s*(?:[ap]\\.?m\\b\\.?|AD\\b|BCE?\\b|CE\\b|o'clock)" +
    `|\\s*(?:of )?${MONTH}\\b` +
    "|\\s+(?:or|and) (?:more|less|fewer|above|over|under|below|so|up|older|younger|higher|lower|greater|bigger)\\b" +
    "|\\s+(?:below|under|above|over)\\b(?! the)" +
    // A scale or a unit of money in another language, a tenth, a third party's sign of debit and credit.
    "|\\s*(?:[dD]utzend|douzaines?|docenas?|dúzias?|dozzin[ae]|дюжин\\p{L}*|[tT]sd|[hH]underttausend|cientos|[cC][rR]|[dD][rR]|MM)(?![\\p{L}])" +
    "|\\s*[打割成折]|\\s*(?:ダース|다스)" +
    "|\\s*-?(?:loss|deficit|debt|shortfall|overdraft|decrease|decline|drop|reduction)\\b|\\s+in debt\\b|\\s+in the red\\b" +
    "|\\s+and (?:a (?:bit|little|few)|change|some|something)\\b|\\s+and\\s*$|-?(?:ish|odd)\\b|\\s+(?:odd|something|th|st|nd|rd)\\b" +
    "|-(?:figures?|digits?)\\b|,?\\s*etc\\b|\\s*[rR]\\s?\\d|\\s+(?:remainder|rem)\\b|\\s+to the (?:power|\\p{L}+(?:th|rd|nd)|third|\\d)" +
    "|\\)?-$|\\s*/\\s*$|\\s*\\*$|[†‡]" +
    "|[\\s-]*(?:squared|cubed|factorial|quarters?|score|gross|bil|mill?|tril|[a-z]*illions?|myriads?|kk|G|bps|basis points?|doubled|tripled|quadrupled|halved|twos|threes|fours|fives|sixes|sevens|eights|nines|tens|grand|plus|to the power)\\b" +
    "|\\s*\\(?(?:negative|minus)\\b" +
    // "18 isn't the answer", "18 apples is wrong": a number that is denied.
    "|(?:\\s+\\p{L}+){0,2}?\\s+(?:(?:is|was|are|were) (?:not|never|wrong|incorrect|false|impossible)\\b" +
    "|(?:is|was|are|were|does|do|can|could|would)n['’]t\\b|can ?not\\b)" +
    "|\\s*[xX](?![\\p{L}])(?!\\s*[\\d(])" +
    "|\\s*-(?!\\s*[\\p{L}\\d]|\\s+)" +
    "|\\s*/\\s*(?![hsdm]\\b)[a-zA-Z](?!\\p{L})" +
    "|[('\"]\\s*[\\d(]|\\+|\\.\\.|\\.?\\(|\\s*[:~]\\s*\\d|\\s*[\u2030?\u066a]|-\\d" +
    "|\\s?(?:[\\p{Script=Han}]*半|分之|点\\d|點\\d|[零一二三四五六七八九十]))",
  "u",
);
/** Signs that make a number of the whole text uncertain. */
const UNCERTAIN =
  /[\u221a-\u221c\u00b1\u2213\u03c0\u221e\u2211\u220f\u222b\u2308-\u230b|<>\u2264\u2265\u2260\\\p{No}]|\d\p{M}|[\u0304\u0305\u0332]/u;

/** Characters before a quantity that may change it; more would take time quadratic in a text's length. */
const CONTEXT = 60;
/** The unit of a table: "1.5 (in millions)". */
const IN_MULTIPLES = /\bin (?:hundreds|thousands|millions|billions|dozens|lakhs|crores)\b/i;

export function quantitiesIn(text: string): Quantity[] {
  const tokens = tokenize(text);
  const uncertain = UNCERTAIN.test(text) || IN_MULTIPLES.test(text);
  const found: Quantity[] = [];
  for (let at = 0; at < tokens.length; ) {
    const core = coreAt(tokens, at);
    if (core === undefined) {
      at++;
      continue;
    }
    const from = tokens[at]!.at;
    const to = tokens[core.end]?.at ?? text.length;
    const before = text.slice(Math.max(0, from - CONTEXT), from);
    const sign = signBefore(before, core.digits);
    const known = !uncertain && sign !== undefined && core.value !== undefined;
    const changed = CHANGED_AFTER.test(text.slice(to));
    found.push({
      value: known && !changed ? sign * core.value! : undefined,
      percent: core.percent,
      unit: core.percent ? "%" : unitBeside(before, text.slice(core.unit, core.unit + CONTEXT)),
      digits: core.digits,
    });
    at = core.end;
  }
  return found;
}

/** 1 or -1 by what stands before a quantity; undefined where that makes it another one. */
function signBefore(before: string, digits: boolean): 1 | -1 | undefined {
  let rest = before;
  let sign: 1 | -1 = 1;
  let signs = 0;
  for (let turn = 0; turn < 2; turn++) {
    const dash = /([-+])(\s*)$/.exec(rest);
    if (dash) {
      rest = rest.slice(0, dash.index);
      const opening = /(?:^|[=(:,*/["'])\s*$/.test(rest);
      const after = /\s$/.test(rest) && dash[2] === "";
      if (!opening && !after && !CURRENCY.test(rest)) return undefined;
      if (dash[1] === "-") sign = -1;
      signs++;
    }
    const currency = CURRENCY.exec(rest);
    if (currency) rest = rest.slice(0, currency.index);
    else if (!dash) break;
  }
  const word = MINUS_WORD.exec(rest);
  if (word) {
    rest = rest.slice(0, word.index);
    sign = -1;
    signs++;
  }
  if (signs > 1 || /\u2014\s*$/.test(rest) || (signs > 0 && /\d\s*$/.test(rest))) return undefined;
  if (CHANGED_BEFORE.test(rest) || MONTH_BEFORE.test(rest)) return undefined;
  if (!digits && PRONOUN_BEFORE.test(rest)) return undefined;
  // "Rs.500" and "No.5", but neither "1.2.3" nor a name with digits ("for-1", "B-52").
  if (digits && /(?:\d[.,:/^]|\p{L}-|[\p{L}\d+*/^\p{Sc}-]\s?\()$/u.test(rest)) return undefined;
  return sign;
}

interface Core {
  value: number | undefined;
  percent: boolean;
  digits: boolean;
  unit: number; // where its unit would begin, an offset in the text
  end: number; // the token after it
}

/** The quantity that begins at a token, without its sign; undefined where none begins. */
function coreAt(tokens: readonly Token[], start: number): Core | undefined {
  const first = tokens[start]!;
  if (first.kind !== "number" && !beginsWords(tokens, start)) return undefined;
  const read = first.kind === "number" ? digitsAt(tokens, start) : wordsAt(tokens, start);
  if (read === undefined) return undefined;
  let { value, end } = read;
  // Past the number, or at the unit that is written right after its digits ("18km").
  const isAttached = end === start + 2 && tokens[start + 1]!.kind === "word";
  const unit = tokens[isAttached ? start + 1 : end]?.at ?? Number.POSITIVE_INFINITY;
  const mark = skipSpace(tokens, end);
  const word = lower(tokens, mark);
  let percent = false;
  if (tokens[mark]?.text === "%" || word === "percent" || word === "pct") {
    percent = true;
    end = mark + 1;
  } else if (word === "per" && lower(tokens, skipSpace(tokens, mark + 1)) === "cent") {
    percent = true;
    end = skipSpace(tokens, mark + 1) + 1;
  } else end = unitEnd(tokens, end);
  return { value, percent, digits: first.kind === "number", unit, end };
}

/** Past the exponents of units: "18 m^2", "5 m/s^2". */
function unitEnd(tokens: readonly Token[], start: number): number {
  const raised = tokens[start]?.text === "^" && tokens[start - 1]?.kind === "word";
  let end = (raised && powerAt(tokens, start)?.end) || start;
  let at = end;
  for (let words = 0; words < 3; words++) {
    const separator = skipSpace(tokens, at);
    const word = /^[/*]$/.test(tokens[separator]?.text ?? "") ? skipSpace(tokens, separator + 1) : separator;
    if (!/^(?:[mshg]|[cdkm]m|ft|in|yd|mi|sec|min|kg)$/.test(tokens[word]?.text ?? "")) break;
    const power = tokens[word + 1]?.text === "^" ? powerAt(tokens, word + 1) : undefined;
    if (power) end = power.end;
    at = power?.end ?? word + 1;
  }
  return end;
}
