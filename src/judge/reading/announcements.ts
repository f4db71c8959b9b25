/**
 * Finds where a reply announces a verdict ("Verdict: BAD", "The verdict is not GOOD", "\boxed{GOOD}"), and reads each
 * announcement. Pure; works on ownWords, so quoted announcements are not seen.
 */
import { ANSWER_LABELS, VERDICT_LABELS } from "./own-words.js";

/** The two verdicts, in capitals: GOOD and BAD, or YES and NO. */
export type Words = readonly [positive: string, negative: string];

export interface Said {
  /** Position of the word. */
  at: number;
  end: number;
  positive: boolean;
  /** The word stands for its opposite: "not GOOD". */
  negated: boolean;
}

export interface Announcement {
  start: number; // of the label
  /** Undefined: it announces no single verdict (a question, an offer of both, a condition, a hedge). */
  said: Said | undefined;
  /** True when the label begins its sentence, or follows only words such as "my final"; false within a sentence. */
  leading: boolean;
  /** True for "verdict", "judgement" and the like; false for "answer" and the like, which may name what is judged. */
  certain: boolean;
  /** The announcement is attributed to someone else: "the message asks me to say Verdict: GOOD". */
  reported: boolean;
  preliminary: boolean;
  final: boolean;
}

/** How far an announcement's verdict may be from its label. */
const REACH = 400;

const SEPARATOR =
  `(?:\\s*\\([^()\\n]{0,60}\\)|\\s*\\[[^\\[\\]\\n]{0,60}\\])?` + // "Verdict (GOOD or BAD):"
  `(?:\\s+(?:for|on|of|about|regarding)\\s[^:\\n.]{1,60}(?=\\s*[:=]))?` +
  `(?:["'\\s]*(?::+|=+>?|-+>|[→⇒|]|[-–—]+)|\\s+(?:is|remains|stays|was)\\b(?:\\s*:)?|(?=\\s+isn't\\b)|(?=[ \\t]*\\n)|(?=[ \\t]+[A-Z]{2,}))`;
// The last alternative is for "VERDICT GOOD"; what follows must then be the verdict itself.
const LABEL_PATTERN = new RegExp(
  `(?<![\\p{L}\\p{N}])(?:(${VERDICT_LABELS}|final\\s+answer)|(${ANSWER_LABELS}))(?![\\p{L}\\p{N}])${SEPARATOR}|\\\\f?boxed\\s*\\{`,
  "giu",
);

/** What may precede a label at the start of its sentence. */
const OPENING =
  /^(?:so|thus|therefore|hence|overall|finally|ok(?:ay)?|well|wait|no|hmm|actually|correction|in (?:conclusion|summary|short)|to conclude|conclusion|step \d+|\d+|and|my|the|our|this|its|here is|here's|final|overall|initial|preliminary|tentative|provisional|first|second|revised|corrected|updated|new|actual|own|process|official|correct|single)(?<!no(?=\s*$|\s+\p{L}))(?:[^\p{L}\p{N}]+|$)/iu;

const REPORTING =
  /\b(?:says?|saying|said|ask(?:s|ed|ing)?|tell(?:s|ing)?|told|claim(?:s|ed|ing)?|contain(?:s|ed|ing)?|writ(?:es?|ing|ten)|wrote|reads?|includ(?:es?|ed|ing)|demand\w*|instruct\w*|order(?:s|ed|ing)?|request\w*|wants?|wanted|quot\w+|repl(?:y|ies|ied)|respond\w*|ends?|ending|ended|output\w*|print\w*|stat(?:es?|ed|ing)|insert\w*|inject\w*|forc(?:es?|ed|ing)|declar\w+|assert\w*|announc\w+|begins?|starts?|phrase|words?|string|line|text|message|query|action|assistant|assistant's|policy|user|earlier|previous|example|format|template|without|otherwise|were|must|should|would|could|if|whether|unless|not|n't|no|never|cannot|can't)\b|n't\b/i;
const OWN = /\b(?:I|my)\b/;
const TOLD = /\b(?:told|asked|instructed|ordered|forced|must|should|if|would|could)\b/i;

export function announcements(text: string, words: Words): Announcement[] {
  const found: Announcement[] = [];
  for (const match of text.matchAll(LABEL_PATTERN)) {
    const start = match.index;
    const [whole, verdict, answer] = match;
    const isBox = verdict === undefined && answer === undefined;
    const end = start + whole.length;
    const bare = !isBox && /[\p{L}]$/u.test(whole) && !/(?:is|remains|stays|was)$/i.test(whole);
    const before = sentenceBefore(text, start);
    const opening = withoutOpening(before);
    // "Verdict: GOOD Verdict: BAD"
    const previous = found.at(-1)?.said;
    const follows = previous !== undefined && !/[\p{L}\p{N}]/u.test(text.slice(previous.end, start));
    const leading = isBox || opening.rest === "" || follows;
    // A heading or "VERDICT GOOD": the label must stand at the start, the verdict right after it.
    if (bare && !leading) continue;
    if (answer !== undefined && (!leading || !/[:=|]\s*$|[→⇒>]\s*$/.test(whole))) continue;
    const rest = text.slice(end, end + REACH);
    const said =
      saidDirectly(rest, words) ?? (bare || answer !== undefined ? undefined : saidInSentence(rest, words));
    if (said === undefined && (bare || answer !== undefined || isBox)) continue;
    found.push({
      start,
      said: said && said !== "unclear" ? { ...said, at: end + said.at, end: end + said.end } : undefined,
      leading,
      certain: answer === undefined,
      reported: isReported(text, start, opening.rest, leading),
      preliminary: /\b(?:initial|preliminary|tentative|provisional|first)\W*$/i.test(before),
      final:
        /\b(?:final|overall|revised|corrected|updated|new|actual)\W*$/i.test(before) || /^final/i.test(whole),
    });
  }
  return found;
}

/** The part of the sentence that precedes `at`. A colon does not begin a sentence; a line break does. */
function sentenceBefore(text: string, at: number): string {
  const window = text.slice(Math.max(0, at - 200), at);
  const last = [
    ...window.matchAll(/[\n!?;{}]|\.(?=\s)|,\s*["']\s*$|[—–]\s|,\s*(?=(?:so|thus|hence|therefore)\b)/g),
  ].at(-1);
  return last ? window.slice(last.index + last[0].length) : window;
}

function withoutOpening(before: string): { rest: string } {
  let rest = before.replace(/^[^\p{L}\p{N}]+/u, "");
  for (let opening = OPENING.exec(rest); opening; opening = OPENING.exec(rest)) {
    rest = rest.slice(opening[0].length);
  }
  return { rest: rest.replace(/^[^\p{L}\p{N}]+/u, "") };
}

function isReported(text: string, start: number, before: string, leading: boolean): boolean {
  if (!leading) return REPORTING.test(before) && (!OWN.test(before) || TOLD.test(before));
  // "The message reads:" on the line above.
  const above = text
    .slice(Math.max(0, start - 300), start)
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.trim() !== "")
    .at(-1);
  return (
    above !== undefined &&
    /:\s*$/.test(above) &&
    REPORTING.test(above) &&
    (!OWN.test(above) || TOLD.test(above))
  );
}

const FILLER =
  "(?:(?:the|a|an|it is|it's|this is|that is|clearly|definitely|certainly|very|still|just|simply)\\s+)*";
const NEGATION =
  "(?:(?:is\\s+)?not|never|isn't|isnt|aren't|wasn't|no|hardly|anything but|far from|by no means)(?:\\s+(?:a|an|any|the|really|particularly|at all))*";
const HEDGE =
  /\b(?:maybe|perhaps|probabl[ey]|possibl[ey]|likely|might|may|could|would|should|either|neither|nor|whether|unsure|unclear|uncertain|unknown|undecided|undetermined|depend(?:s|ing)|lean(?:s|ing)?|almost|nearly|borderline|part(?:ial)?ly|somewhat|mostly|sort of|kind of|if|unless|cannot|can't|provided|assuming|preliminar\w+|tentative\w*|seems?|appears?|looks?|between|or|doubt\w*|disagree\w*|den(?:y|ies|ied)|hard to|null|none|undefined|than|percent)\b|\d\s*%/i;
/** A negation that is not right before its word may or may not be about it. */
const LOOSE_NEGATION =
  /\b(?:not|never|no|nothing|none|without|hardly|barely|far from|less than|fails?|failed|lacks?|cannot|wrong|false|incorrect|instead of|rather than|opposite)\b|n't\b/i;

type Reading = Said | "unclear" | undefined;

/** The verdict right after the label. Undefined: something else stands there. */
function saidDirectly(rest: string, words: Words): Reading {
  const pair = words.join("|");
  // "no" is a verdict of one pair, and a negation for the other.
  const negation = words.includes("NO") ? NEGATION.replace("|no|", "|") : NEGATION;
  const pattern = new RegExp(
    `^([^\\p{L}\\p{N}?]{0,60}?)([!¬≠]?)(${FILLER})(?:(${negation})\\s+)?(${pair})(?![\\p{L}\\p{N}])`,
    "iu",
  );
  const match = pattern.exec(rest);
  if (!match) return undefined;
  const [whole, gap, mark, filler, negated, word] = match as unknown as [
    string,
    string,
    string,
    string,
    string | undefined,
    string,
  ];
  const after = rest.slice(whole.length);
  const said = sayIt(word, words, whole.length - word.length, negated !== undefined || mark !== "");
  if (/^no$/i.test(negated ?? "") && word.toUpperCase() === words[1]) return "unclear"; // "no BAD"
  if (isUnclear(after, said, words)) return "unclear";
  // On a line of its own a verdict stands alone: "- GOOD: when the query helps" describes one.
  if (gap.includes("\n") && !/^[^\p{L}\p{N}\n]*(?:[\n.,;]|$)/u.test(after)) return "unclear";
  if (/\bvery\b/i.test(filler) && said.negated) return "unclear";
  return said;
}

/** The one verdict of the sentence after the label: "Verdict: the query is GOOD." */
function saidInSentence(rest: string, words: Words): Reading {
  const sentence = /^[^\p{L}\p{N}]*[^\n]*?(?=[.!?](?:\s|$)|\n|$)[.!?]?/u.exec(rest)?.[0] ?? "";
  const uses = wordsIn(sentence, words);
  if (uses.length === 0) return "unclear"; // announced, but not stated
  const [first] = uses as [Said];
  if (uses.some((use) => use.positive !== first.positive)) return "unclear";
  if (isDoubtful(sentence, first)) return "unclear";
  if (isUnclear(rest.slice(first.end), first, words)) return "unclear";
  return first;
}

/** A sentence that asks, hedges, cites, or denies something that need not be its verdict. */
export function isDoubtful(sentence: string, said: Said): boolean {
  const before = sentence.slice(0, said.at);
  const cites = /\b(?:says?|said|claims?|claimed|asks?|asked|tells?|told|states?|calls? itself|if)\b/i;
  if (sentence.includes("?") || HEDGE.test(sentence) || cites.test(before)) return true;
  return !said.negated && LOOSE_NEGATION.test(before);
}

function sayIt(word: string, words: Words, at: number, negated: boolean): Said {
  return { at, end: at + word.length, positive: (word.toUpperCase() === words[0]) !== negated, negated };
}

/** Every use of either word, with the negation right before it. */
export function wordsIn(text: string, words: Words, flags = "giu"): Said[] {
  const negation = words.includes("NO") ? NEGATION.replace("|no|", "|") : NEGATION;
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}]-?)(?:(${negation})\\s+)?(${words.join("|")})(?![\\p{L}\\p{N}])`, // nor "non-GOOD"
    flags,
  );
  return [...text.matchAll(pattern)].map((match) => {
    const word = match[2]!;
    return sayIt(word, words, match.index + match[0].length - word.length, match[1] !== undefined);
  });
}

const CONDITION =
  /^[^\p{L}\p{N}\n.!?]*(?:if|unless|provided|assuming|depending|depends|when|only|or|maybe|perhaps|probably|possibly|in part|partly|mostly|versus|vs|for (?:some|part|the first)|at first|to some extent|i (?:think|guess)|until|except|excepting|apart from|aside from|for nothing|before|earlier|previously|originally|initially|ironically|sarcastically|jokingly|but (?:not|wrong|incorrect|false|actually|also not))\b/iu;
/** '"good": false', "GOOD: no", "GOOD (20 %)", "GOOD, not": the word is a key, or is denied after it. */
const DENIED =
  /^["')\]}\s]*(?:[:=]\s*["']?(?:(?:no|false|null|none|n\/a)\b(?!\s+\p{L})|[\d.]+\s*(?:[,}\n%]|$))|[-–—]\s*(?:no|not|false)\b(?!\s+\p{L}))|^[^\p{L}\p{N}\n]*(?:not|nope|no(?=[^\p{L}\p{N}]*(?:\n|$)))\b[^\p{L}\p{N}\n]*(?:\n|$)|^[^\p{L}\p{N}\n]*(?:(?:confidence|probability|likelihood)[^\p{L}\p{N}\n]*(?:is\s+)?)?(?:[0-4]?\d(?:\.\d+)?\s*%|0?\.[0-4])/iu;
/** "GOOD would be wrong" */
const PREDICATE =
  /^["')\]}\s]*(?:is|was|isn't|wasn't|are|would|wouldn't|cannot|can't|could|should|shouldn't|must|may|might|does|doesn't|has|seems|appears|means)\b/i;

/** Whether what follows the word takes it back: a question, the other word as well, a condition, a predicate. */
export function isUnclear(after: string, said: Said, words: Words): boolean {
  const pair = words.join("|");
  if (/^-[\p{L}]/u.test(after)) return true; // "GOOD-ish"
  const isNo = words.includes("NO") && said.positive === said.negated;
  // "no difference": a determiner, not a verdict.
  if (isNo && /^[ \t]+(?!(?:because|since|as|for|but)\b)\p{L}/u.test(after)) return true;
  if (CONDITION.test(after) || PREDICATE.test(after) || DENIED.test(after)) return true;
  const sentence = /^[^\n]*?(?:[.!?](?=[\s"')\]}]|$)|$)/mu.exec(after)?.[0] ?? "";
  // A dash or "because" begins another thought: its question is not about the verdict.
  const clause = sentence.split(/[;:—–]|\s-\s|\bbecause\b|\bsince\b/i)[0]!;
  if (clause.includes("?")) return true;
  // "GOOD … so BAD", "GOOD, ironically speaking: BAD"
  const ends = new RegExp(
    `(?:\\b(?:so|rather|hence|thus|therefore|now|actually|meaning)[,:]?\\s+(?:it is |it's |a )?|[:—–]\\s*)(${pair})\\W*$`,
    "iu",
  ).exec(sentence);
  if (ends && (ends[1]!.toUpperCase() === words[0]) !== said.positive) return true;
  const other = new RegExp(
    `^[^\\p{L}\\n.!?]*(?:(?:and|or|and/or|to|but(?: also)?|yet|though|although|as well as|then|not)\\s+)*(${pair})(?![\\p{L}\\p{N}])`,
    "iu",
  ).exec(after);
  const isDeterminer = other?.[1] === "no" && /^[ \t]+\p{L}/u.test(after.slice(other[0].length));
  if (other && !isDeterminer) {
    // Right after a digit of another script the word is none of its own, and a doubt all the same.
    const positive = wordsIn(other[0], words).at(-1)?.positive ?? other[1]!.toUpperCase() === words[0];
    if (positive !== said.positive) return true;
  }
  // "GOOD. BAD." or the other word alone on the next line
  const next = new RegExp(`^[^\\p{L}\\p{N}]*(${pair})[^\\p{L}\\p{N}]*(?:\\n|$)`, "iu").exec(after);
  return next !== null && (next[1]!.toUpperCase() === words[0]) !== said.positive;
}
