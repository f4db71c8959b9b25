/**
 * Which strings of a vocabulary are control tokens, and how text from outside is kept from becoming one.
 *
 * A control token is an added token that is marked special, or that the chat template itself writes (`<tool_call>`).
 * It is found only where the template wrote all of its characters; an assistant's own message may also write one that
 * is not marked special.
 */
import { ASSISTANT, type Str, TEMPLATE, textOf } from "./jinja/text.js";

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  lstrip: boolean;
  rstrip: boolean;
  /** Searched for in normalized text, not in the text as it is. */
  normalized: boolean;
}

/** Opens a text that does not stand at the start of its sequence; see Tokenizer.encode. */
export const SECTION = "\uFDDF";
/** Unicode noncharacters that this package uses itself. */
const RESERVED = /[\uFDDE\uFDDF]/g;

/** A part of a rendered template: text, or a control token. */
export interface Piece {
  /** Text between control tokens. */
  text?: string;
  /** Id of a control token. */
  id?: number;
}

/** The key under which a control token is hidden in the model's own vocabulary: no text can equal it. */
export function hiddenName(id: number): string {
  return `\uFDDE${id}`;
}

/** Well-formed UTF-16 without the characters used above. */
export function sanitize(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD").replace(RESERVED, "\uFFFD");
}

/** Strings found in a text, in time that grows with the text and the longest string but not with their number. */
export class ControlTokens {
  /** From a node of the trie and a UTF-16 unit to the next node. The root is 0. */
  readonly #edges = new Map<number, number>();
  readonly #tokens: (AddedToken | undefined)[] = [undefined];

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) if (token.content) this.#tokens[this.#grow(token.content)] = token;
  }

  #grow(content: string): number {
    let node = 0;
    for (let at = 0; at < content.length; at++) {
      const edge = node * 0x10000 + content.charCodeAt(at);
      let next = this.#edges.get(edge);
      if (next === undefined) {
        next = this.#tokens.push(undefined) - 1;
        this.#edges.set(edge, next);
      }
      node = next;
    }
    return node;
  }

  /** The pieces of a rendered template, or of a text, in order; the strip flags of a token trim the text next to it. */
  split(rendered: Str): Piece[] {
    const text = textOf(rendered);
    const marks = typeof rendered === "string" ? undefined : rendered.marks;
    const pieces: Piece[] = [];
    let from = 0;
    let trimStart = false;
    const pushText = (part: string, trimEnd: boolean) => {
      let kept = part;
      if (trimStart) kept = kept.trimStart();
      if (trimEnd) kept = kept.trimEnd();
      if (kept) pieces.push({ text: kept });
    };
    for (let at = 0; at < text.length; ) {
      const token = this.#longestAt(text, marks, at);
      if (!token) {
        at++;
        continue;
      }
      pushText(text.slice(from, at), token.lstrip);
      pieces.push({ id: token.id });
      at += token.content.length;
      from = at;
      trimStart = token.rstrip;
    }
    pushText(text.slice(from), false);
    return pieces;
  }

  #longestAt(text: string, marks: string | undefined, start: number): AddedToken | undefined {
    let found: AddedToken | undefined;
    let assistants = false;
    let node = 0;
    for (let at = start; at < text.length; at++) {
      const next = this.#edges.get(node * 0x10000 + text.charCodeAt(at));
      if (next === undefined) break;
      const mark = marks?.[at] ?? TEMPLATE;
      if (mark === ASSISTANT) assistants = true;
      else if (mark !== TEMPLATE) break;
      node = next;
      const token = this.#tokens[node];
      if (token && !(token.special && assistants)) found = token;
    }
    return found;
  }

  /** The contents that occur anywhere in a text, also within each other. */
  within(text: string): Set<string> {
    const found = new Set<string>();
    for (let start = 0; start < text.length; start++) {
      let node = 0;
      for (let at = start; at < text.length; at++) {
        const next = this.#edges.get(node * 0x10000 + text.charCodeAt(at));
        if (next === undefined) break;
        node = next;
        const token = this.#tokens[node];
        if (token) found.add(token.content);
      }
    }
    return found;
  }
}
