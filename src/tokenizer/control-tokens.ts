/**
 * Which strings of a vocabulary are structure, and how text from outside is kept from becoming structure.
 *
 * A control token is an added token that is marked special, or that the chat template itself writes (`<tool_call>`).
 * `guard` marks untrusted text before it enters a template; `split` then finds the control tokens of the template and
 * none of the text's. The marks are Unicode noncharacters, which never occur in text: a text that holds one anyway
 * gets U+FFFD in its place.
 */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  lstrip: boolean;
  rstrip: boolean;
  /** Looked for in normalised text, not in the text as it is. */
  normalized: boolean;
}

/** Stands before every character at which no control token may begin. */
const MARK = "\uFDD0";
/** Opens a text that does not stand at the start of its sequence; see Tokenizer.encode. */
export const SECTION = "\uFDDF";
const RESERVED = /[\uFDD0-\uFDEF]/g;

export interface Piece {
  /** Text between control tokens, marks removed; or the id of a control token. */
  text?: string;
  id?: number;
}

/** The key under which a control token is hidden in the model's own vocabulary: no text can equal it. */
export function hiddenName(id: number): string {
  return `\uFDDE${id}`;
}

/** Well-formed UTF-16 without the characters used for marks. */
export function sanitize(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD").replace(RESERVED, "\uFFFD");
}

export class ControlTokens {
  readonly #byContent: Map<string, AddedToken>;
  readonly #pattern: RegExp | undefined;
  /** Proper beginnings and ends of control tokens. */
  readonly #beginnings = new Set<string>();
  readonly #endings = new Set<string>();
  readonly #longest: number;

  constructor(tokens: readonly AddedToken[]) {
    this.#byContent = new Map(tokens.filter((token) => token.content).map((token) => [token.content, token]));
    const contents = [...this.#byContent.keys()].sort((a, b) => b.length - a.length);
    this.#pattern =
      contents.length > 0
        ? new RegExp(`(?<!${MARK})(?:${contents.map(escapePattern).join("|")})`, "g")
        : undefined;
    this.#longest = contents[0]?.length ?? 0;
    for (const content of contents) {
      for (let cut = 1; cut < content.length; cut++) {
        this.#beginnings.add(content.slice(0, cut));
        this.#endings.add(content.slice(cut));
      }
    }
  }

  /**
   * Marks `text` so that no control token begins in it, spans its end, or spans its beginning, whatever a template
   * writes around it. Text that touches no control token comes back unchanged.
   */
  guard(text: string): string {
    const clean = sanitize(text);
    if (!this.#pattern || clean === "") return clean;
    const marked = new Set<number>();
    for (const match of clean.matchAll(this.#pattern)) {
      for (let at = match.index; at < match.index + match[0].length; at++) marked.add(at);
    }
    const first = clean.search(/\S/);
    if (first >= 0 && this.#mayFinish(clean.slice(first))) marked.add(first);
    this.#markOpenEnds(clean, marked);
    if (marked.size === 0) return clean;
    let out = "";
    for (let at = 0; at < clean.length; at++) out += marked.has(at) ? MARK + clean[at] : clean[at];
    return out;
  }

  /** The pieces of a rendered template in order; the strip flags of a token trim the text beside it. */
  split(rendered: string): Piece[] {
    const pieces: Piece[] = [];
    let from = 0;
    let trimStart = false;
    const pushText = (text: string, trimEnd: boolean) => {
      let kept = text.replaceAll(MARK, "");
      if (trimStart) kept = kept.trimStart();
      if (trimEnd) kept = kept.trimEnd();
      if (kept) pieces.push({ text: kept });
    };
    for (const match of this.#pattern ? rendered.matchAll(this.#pattern) : []) {
      const token = this.#byContent.get(match[0])!;
      pushText(rendered.slice(from, match.index), token.lstrip);
      pieces.push({ id: token.id });
      from = match.index + match[0].length;
      trimStart = token.rstrip;
    }
    pushText(rendered.slice(from), false);
    return pieces;
  }

  /** Whether `text` begins with what could be the rest of a control token, or lies within one. */
  #mayFinish(text: string): boolean {
    for (let length = Math.min(this.#longest, text.length); length > 0; length--) {
      if (this.#endings.has(text.slice(0, length))) return true;
    }
    if (text.length >= this.#longest) return false;
    for (const content of this.#byContent.keys()) if (content.indexOf(text, 1) > 0) return true;
    return false;
  }

  /** Marks every place near the end from where the text is the beginning of a control token. */
  #markOpenEnds(text: string, marked: Set<number>): void {
    for (let length = Math.min(this.#longest, text.length); length > 0; length--) {
      if (this.#beginnings.has(text.slice(text.length - length))) marked.add(text.length - length);
    }
  }
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}
