/**
 * The judge's own words: its reply with all thoughts and quotations blanked. Blanks keep the length,
 * so a position in the result is a position in the reply.
 *
 * Blanked: thoughts, block quotes, code, struck-out text, quotations, echoed blocks of the prompt. Kept: code or a
 * quotation that is the whole reply, code that is a JSON object with a verdict in it, and quotations of at most three
 * words without a label in them ('Verdict: "GOOD"'). Markup of text (bold, headings, HTML, LaTeX) is blanked around the words it holds.
 */
import { maskThoughts } from "../../messages/thought.js";

/** A label that announces a verdict. "answer" and similar words may also name what is judged: see announcements.ts. */
export const VERDICT_LABELS =
  "verdict|judge?ment|rating|decision|ruling|conclusion|assessment|evaluation|classification|determination";
export const ANSWER_LABELS = "answer|result|output|label|grade|score";

export interface OwnWords {
  text: string; // as long as the reply
  /** The reply ends inside a thought. */
  unclosed: boolean;
}

/** `opened`: the prompt ends inside a thought, so that the reply begins in one. */
export function ownWords(reply: string, opened = false): OwnWords {
  const { text: said, unclosed } = maskThoughts(reply, opened);
  let text = halfWidth(said);
  // What a server leaves of a template: "<|start|>assistant<|channel|>final<|message|>".
  text = text.replace(/<\|(?:start|channel)\|>(?:assistant|final)\b|<\|[\w/]{1,40}\|>/g, blank);
  text = text.replace(/\[\[([A-Z0-9 ]+)\]\][\s\S]*?\[\[END OF \1\]\]/g, blank);
  text = withoutCode(text);
  text = text.replace(/^[ \t]*>.*$/gm, blank);
  text = text.replace(/~~[^~\n]*~~/g, blank).replace(/<(s|del|strike|blockquote|q)>[\s\S]*?<\/\1>/gi, blank);
  for (const quotation of QUOTATIONS) {
    const isAll = !/[\p{L}\p{N}]/u.test(text.replace(quotation, ""));
    text = text.replace(quotation, (part, content: string) =>
      isAll || isShort(content) ? part : blank(part),
    );
  }
  return { text: withoutMarkup(text), unclosed };
}

const blank = (part: string) => part.replace(/[^\n]/g, " ");

/** Full-width letters and punctuation, typographic apostrophes and unusual spaces become their ASCII forms. */
function halfWidth(text: string): string {
  return text.replace(/[^\0-\x7f]/g, (unit) => {
    if (unit === "\u2019" || unit === "\u02bc") return "'";
    const plain = unit.normalize("NFKC");
    return plain.length === 1 ? plain : unit;
  });
}

/** An unclosed fence reaches the end of the text. */
const FENCE = /(```|~~~)[^\n`]*\n?([\s\S]*?)(?:\1|$)/g;

function withoutCode(text: string): string {
  const around = text.replace(FENCE, "").replace(/`[^`\n]*`/g, "");
  const isAll = !/[\p{L}\p{N}]/u.test(around);
  const fenced = text.replace(FENCE, (block, mark: string, code: string) => {
    if (!isAll && !holdsVerdict(code)) return blank(block);
    const start = block.indexOf(code, mark.length);
    return blank(block.slice(0, start)) + code + blank(block.slice(start + code.length));
  });
  return fenced.replace(/`([^`\n]*)`/g, (span, code: string) =>
    isAll || isShort(code) ? ` ${code} ` : blank(span),
  );
}

function holdsVerdict(code: string): boolean {
  try {
    const value: unknown = JSON.parse(code);
    if (typeof value !== "object" || value === null) return false;
    return Object.keys(value).some((key) => new RegExp(`^(?:${VERDICT_LABELS})$`, "i").test(key));
  } catch {
    return false;
  }
}

/** Long quotations end at 2,000 characters: a quotation mark that nobody closed must not take the reply with it. */
const QUOTATIONS = [
  /(?<![\p{L}\p{N}"])"(?=[^\s"])([^"]{0,2000}?[^\s"])"(?![\p{L}\p{N}])/gu,
  /(?<![\p{L}\p{N}'])'(?=[^\s'])((?:[^'\n]|(?<=\p{L})'(?=\p{L})){0,2000}?[^\s'])'(?![\p{L}\p{N}])/gu,
  /[“„‟]([^“”„‟]{0,2000})[”“]/gu,
  /[«»]([^«»]{0,2000})[«»]/gu,
  /[‹›]([^‹›]{0,2000})[‹›]/gu,
  /‘([^‘\n]{0,2000}?)['’](?![\p{L}\p{N}])/gu,
  /「([^」]{0,2000})」/gu,
  /『([^』]{0,2000})』/gu,
];

const LABEL = new RegExp(`\\b(?:${VERDICT_LABELS}|${ANSWER_LABELS})\\b`, "i");

/** One to three words, such as a verdict or the key of a JSON object. */
function isShort(content: string): boolean {
  const words = content.match(/[\p{L}\p{N}'’]+/gu) ?? [];
  return words.length <= 1 || (words.length <= 3 && !LABEL.test(content));
}

function withoutMarkup(text: string): string {
  return (
    text
      // <verdict>GOOD</verdict> is a label and its verdict; other tags only set type.
      .replace(
        new RegExp(`</(?:final[ _-])?(?:${VERDICT_LABELS})\\s*>`, "gi"),
        (tag) => `\n${blank(tag.slice(1))}`,
      )
      .replace(/<\/[a-z][\w-]*\s*>/gi, blank)
      .replace(
        new RegExp(`<((?:final[ _-])?(?:${VERDICT_LABELS}))\\s*>`, "gi"),
        (tag) => ` ${tag.slice(1, -1)}:`,
      )
      .replace(/<[a-z][\w-]*(?:\s[^<>\n]*)?>/gi, blank)
      .replace(/\\(?:text|textbf|textit|mathrm|mathbf|mathit|emph|bf|rm)\s*\{/g, blank)
      .replace(/[*_#~`]|\u200b|\u200c|\u200d|\ufeff/g, " ")
  );
}
