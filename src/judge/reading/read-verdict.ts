/**
 * Reads the verdict out of a judge's reply: which of two words it announces, and where.
 *
 * The announced verdict decides ("Verdict: BAD. A GOOD query would …" is BAD). Thoughts, quotations and repetitions of
 * the judged text do not count. A reply that announces nothing is read when the word stands alone: the whole reply, its
 * last line, its first sentence in capitals, or a last sentence such as "The query is BAD." What cannot be read for
 * certain (a question, both words, two verdicts without a correction between them, a reply that is not finished) is not
 * a verdict.
 */
import { maskThoughts } from "../../messages/thought.js";
import {
  type Announcement,
  announcements,
  isDoubtful,
  isUnclear,
  type Said,
  type Words,
  wordsIn,
} from "./announcements.js";
import { ownWords } from "./own-words.js";

/** Part of a judge's id: change it when the same reply may be read otherwise, so that no older verdict is reused. */
export const READING_VERSION = 4;

export interface JudgeReply {
  text: string;
  /** The judge ended the reply itself. */
  finished: boolean;
  /** The prompt ends inside a thought, so that the reply begins in one. Default false. */
  opened?: boolean;
  /** What the judge was shown and may repeat. */
  shown?: string;
}

export type VerdictReading =
  | { status: "read"; positive: boolean; at: number; negated: boolean }
  /** `unfinished`: cut off, still thinking, or empty: the token limit is the likely cause. */
  | { status: "unread"; why: "unfinished" | "unclear" | "silent" };

export function readVerdict(reply: JudgeReply, words: Words): VerdictReading {
  const { text, unclosed } = ownWords(reply.text, reply.opened);
  const onlyThought = !/\S/.test(maskThoughts(reply.text, reply.opened).text);
  if (!reply.finished || unclosed || onlyThought) return { status: "unread", why: "unfinished" };
  if (isUnticked(text, words)) return { status: "unread", why: "unclear" };
  const announced = announcements(text, words).filter(({ reported }) => !reported);
  const own = announced.filter(({ certain }) => certain);
  const leading = own.filter((one) => one.leading);
  const said =
    own.length > 0
      ? decided(leading.length > 0 ? leading : own, text, reply.shown ?? "")
      : saidAlone(text, words, announced);
  if (said === undefined) return { status: "unread", why: "silent" };
  if (said === "unclear" || isTakenBack(text.slice(said.end), said, words))
    return { status: "unread", why: "unclear" };
  const { positive, at, negated } = said;
  return { status: "read", positive, at, negated };
}

/** "[ ] GOOD  [x] BAD", "❌ GOOD": a mark next to the word says the opposite, or that it is only offered. */
function isUnticked(text: string, [positive, negative]: Words): boolean {
  const [no, yes] = ["[❌✗✘❎👎]", "[✅✔✓👍]"];
  return new RegExp(
    `(?:\\[ ?\\]|[☐□])[^\\p{L}\\p{N}\\n]*(?:${positive}|${negative})(?![\\p{L}\\p{N}])|${no}[^\\p{L}\\p{N}\\n]*${positive}(?!\\p{L})|${yes}[^\\p{L}\\p{N}\\n]*${negative}(?!\\p{L})`,
    "iu",
  ).test(text);
}

/** One verdict from all that were announced, in order. */
function decided(all: readonly Announcement[], text: string, shown: string): Said | "unclear" {
  const material = plain(shown);
  const repeated = (one: Announcement) =>
    one.said !== undefined && ` ${material} `.includes(` ${plain(text.slice(one.start, one.said.end))} `);
  let list = all;
  if (new Set(list.map((one) => one.said?.positive)).size > 1) {
    list = all.filter((one) => !repeated(one));
    if (list.at(-1) !== all.at(-1)) return "unclear"; // the last one may be a repetition or a correction
  }
  const last = list.at(-1)!;
  if (!last.said) return "unclear";
  // A repetition that is not the reply's last word is a citation.
  if (repeated(last) && /[\p{L}\p{N}]/u.test(text.slice(last.said.end))) return "unclear";
  const spoken = list.filter((one) => one.said !== undefined);
  const changes = spoken.flatMap((one, i) =>
    i > 0 && one.said!.positive !== spoken[i - 1]!.said!.positive ? [i] : [],
  );
  if (changes.length > 1) return "unclear";
  if (changes.length === 0) return last.preliminary ? "unclear" : last.said;
  const [before, after] = [spoken[changes[0]! - 1]!, spoken[changes[0]!]!];
  const corrected =
    before.preliminary ||
    (after.final && !before.final) ||
    CORRECTION.test(text.slice(before.said!.end, after.start)) ||
    CORRECTION.test(lineOf(text, after.start));
  return corrected && !after.preliminary ? last.said : "unclear";
}

function plain(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

function lineOf(text: string, at: number): string {
  return text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
}

const CLAUSE = "(?:^|[.!?,;:(\\n—–-]\\s*)(?:(?:but|oh|hmm+|no|and|or|ah|ok(?:ay)?)[,.]?\\s+)*";
const TURN =
  "(?:wait|hold on|actually|correction|scratch that|on second thoughts?|on reflection|hmm+|let me (?:re-?\\w+|think again|look again|correct)|i (?:was|am) (?:wrong|mistaken)|i take (?:that|it|this) back|i (?:retract|withdraw)|i (?:made|see) (?:a|my) mistake|(?:that|this) (?:is|was) (?:wrong|a mistake|the wrong)|strike that|never ?mind|(?:just )?kidding|disregard|ignore (?:that|the above)|oops|sorry|rather|i meant?|edit(?=:)|on (?:a )?(?:second|closer) look)\\b";
const CHANGE = /\b(?:revis(?:e|ed|ing)|reconsider\w*|chang(?:e|ed|ing) (?:my|it|this|to))\b/i;
const TAKEN_BACK = new RegExp(`${CLAUSE}${TURN}`, "i");
const CORRECTION = new RegExp(`${CLAUSE}(?:${TURN}|no[,.—–-])|${CHANGE.source}`, "i");

/** "Verdict: GOOD. Wait, it repeats a query." retracts the verdict and gives no other; so does "No, BAD." */
function isTakenBack(after: string, said: Said, words: Words): boolean {
  if (TAKEN_BACK.test(after) || CHANGE.test(after)) return true;
  return sentencesOf(after).some(({ text }) => {
    const statement = lastStatement(text, words);
    if (statement && statement !== "unclear" && statement.positive !== said.positive) {
      // "The key is YES." is about what is judged.
      return !/\b(?:key|gold|answer|response|correct|expected|reference)\b/i.test(text);
    }
    const lone = loneWord(text.replace(/^\W*(?:no|so|then|yes)\W+(?=\p{L})/iu, ""), words, 0);
    return lone !== undefined && lone.positive !== said.positive;
  });
}

function sentencesOf(text: string): Line[] {
  return [...text.matchAll(/[^\n.!?]*(?:[.!?](?!\s|$)[^\n.!?]*)*[.!?]*/g)]
    .map((match) => ({ text: match[0], at: match.index }))
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence.text));
}

const LABELLED = /^[^\p{L}\p{N}\n]*[\p{L}][\p{L} ]{0,30}[:=]/u;

/** A verdict that no label announces: the word by itself. */
function saidAlone(
  text: string,
  words: Words,
  answers: readonly Announcement[],
): Said | "unclear" | undefined {
  const found: (Said | "unclear")[] = [];
  const lines = linesOf(text);
  const lone = lines.flatMap((line) => loneWord(line.text, words, line.at) ?? []);
  // "Answer: YES" may be what is judged, unless it is the last word and no other label says the opposite.
  const last = answers.at(-1);
  if (last) {
    const isEnd = last.said !== undefined && !/[\p{L}\p{N}]/u.test(text.slice(last.said.end));
    found.push(isEnd ? last.said! : "unclear");
    for (const line of lines) {
      const label = LABELLED.exec(line.text)?.[0];
      const value = label === undefined ? undefined : loneWord(line.text.slice(label.length), words, 0);
      // "Key: YES" is a repetition of what is judged, and so is the answer next to it.
      if (value) found.push(/\b(?:key|gold|reference|expected)\b/i.test(label!) ? "unclear" : value);
    }
  }
  if (lone.length > 0 && (lone.at(-1)!.line === lines.at(-1)!.at || lone[0]!.line === lines[0]!.at)) {
    found.push(...lone);
  }
  const first = firstWord(text, words);
  if (first) found.push(first);
  const statement = lastStatement(text, words);
  if (statement) found.push(statement);
  const [one] = found;
  if (one === undefined) return undefined;
  if (one !== "unclear" && OPPOSITE_QUESTION.test(text.slice(0, one.at))) return "unclear";
  const agree = found.every(
    (other) => other !== "unclear" && one !== "unclear" && other.positive === one.positive,
  );
  // The last one found in the text, for the log-probs.
  return agree ? (found as Said[]).reduce((a, b) => (b.at > a.at ? b : a)) : "unclear";
}

interface Line {
  text: string;
  at: number;
}

function linesOf(text: string): Line[] {
  return [...text.matchAll(/[^\n]+/g)]
    .map((match) => ({ text: match[0], at: match.index }))
    .filter((line) => /[\p{L}\p{N}]/u.test(line.text));
}

const LONE_OPENING =
  /^[^\p{L}\p{N}]*(?:(?:so|thus|therefore|hence|overall|finally|final|in (?:conclusion|summary|short)|conclusion)[^\p{L}\p{N}]+)*/iu;

/** The word and nothing else: "**GOOD**", "(not good)". */
function loneWord(
  line: string,
  words: Words,
  at: number,
  flags = "giu",
): (Said & { line: number }) | undefined {
  const opening = LONE_OPENING.exec(line)![0];
  const rest = line.slice(opening.length);
  const [use] = wordsIn(rest, words, flags);
  if (!use || /\?/.test(line) || /[\p{L}\p{N}]/u.test(rest.slice(use.end))) return undefined;
  const before = rest.slice(0, use.at).replace(/(?<!\p{L})(?:it is|it's|this is|a|an|the)(?!\p{L})/giu, "");
  const uttered = use.negated ? before.replace(/\p{L}.*$/u, "") : before;
  if (/[\p{L}\p{N}]/u.test(uttered)) return undefined;
  const start = at + opening.length;
  return { ...use, at: start + use.at, end: start + use.end, line: at };
}

/** "BAD. A GOOD query would …": in capitals, as the first sentence or clause. */
function firstWord(text: string, words: Words): Said | "unclear" | undefined {
  const [use] = wordsIn(text, words, "gu");
  if (!use || /[\p{L}\p{N}?]/u.test(text.slice(0, use.negated ? 0 : use.at))) return undefined;
  const after = text.slice(use.end);
  if (!/^["')\]}\s]*(?:[.,:;!—–\n]|-\s)/.test(after)) return undefined;
  return isUnclear(after, use, words) ? "unclear" : use;
}

/** A step that is not the one to judge. */
const ANOTHER = /\b(?:another|other|previous|earlier|first|former|prior|next|better)\b/i;
/** "Are there differences? YES" answers a question with the opposite sense. */
const OPPOSITE_QUESTION =
  /(?:\b(?:differ\w*|wrong|incorrect|mismatch\w*|mistakes?|errors?|inconsisten\w+|not)\b|n't\b)[^?\n]*\?\W*$/i;

/** "So the query is BAD." or "BAD.", as the reply's last sentence, with the word in capitals. */
function lastStatement(text: string, words: Words): Said | "unclear" | undefined {
  const sentence = sentencesOf(text).at(-1);
  if (!sentence) return undefined;
  const lone = loneWord(sentence.text, words, sentence.at, "gu");
  if (lone) return lone;
  const uses = wordsIn(sentence.text, words, "gu");
  if (uses.length !== 1) return undefined;
  const use = uses[0]!;
  const before = sentence.text.slice(0, use.at);
  if (!/\b(?:is|isn't)\b(?:\s+(?:clearly|therefore|thus|not|a|an|the))*\W*$/i.test(before)) return undefined;
  if (isDoubtful(sentence.text, use) || ANOTHER.test(before)) return undefined;
  const at = sentence.at + use.at;
  if (isUnclear(sentence.text.slice(use.end), use, words)) return undefined;
  return { ...use, at, end: sentence.at + use.end };
}
