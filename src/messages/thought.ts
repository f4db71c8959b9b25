/**
 * Separates what a model thought from what it said. Thoughts are neither actions nor verdicts.
 *
 * A thought stands between its marks (`<think>…</think>` and the like of other model families). A closing mark
 * without an opening one ends a thought that the prompt opened: everything before it is thought. A thought that is
 * opened and never closed reaches the end of the text.
 */

const NAME =
  "(?:seed:|ant)?(?:think|thinking|thought|thoughts|thought_process|reason|reasoning|reflection|scratchpad|analysis|cot|" +
  "chain_of_thought|(?:internal|inner)_monologue)";

/** How model families mark a thought; the source of a regular expression each. */
const MARKS: readonly (readonly [open: string, close: string])[] = [
  [
    `(?:<|&lt;)\\s*\\|?${NAME}\\s*\\|?(?:\\s+[a-z_]+=[^<>\\n]*)?(?:>|&gt;)`,
    `(?:<|&lt;)\\s*(?:/\\s*\\|?|\\|/)${NAME}\\s*\\|?(?:>|&gt;)`,
  ],
  ["<\\|begin_of_thought\\|>", "<\\|end_of_thought\\|>"], // Sky-T1, OpenThinker
  ["<unused94>(?:thought)?", "<unused95>"], // MedGemma
  ["\\[THINK\\]", "\\[/THINK\\]"], // Magistral
  ["◁think▷", "◁/think▷"], // Kimi
  ["<\\|START_THINKING\\|>", "<\\|END_THINKING\\|>"], // Command R
  // gpt-oss (Harmony): everything on the analysis channel.
  [
    "<\\|channel\\|>analysis[^<]*<\\|message\\|>",
    "<\\|end\\|>(?=\\s*<\\|start\\|>)|(?=<\\|channel\\|>(?:final|commentary))",
  ],
];

/** One pattern: group 2i + 1 is the opening mark of family i, group 2i + 2 its closing mark. */
const PATTERN = new RegExp(MARKS.map(([open, close]) => `(${open})|(${close})`).join("|"), "gi");

export interface ThoughtSpans {
  /** Ranges [start, end) of the text that are thought, marks included, in order, not overlapping. */
  spans: { start: number; end: number }[];
  /** Whether the last thought is never closed. */
  unclosed: boolean;
}

/** `opened`: the prompt ends inside a thought, so that the text begins in one. Default false. */
export function thoughtSpans(text: string, opened = false): ThoughtSpans {
  let spans: ThoughtSpans["spans"] = [];
  // Where the open thought began, and its family (-1: opened by the prompt, any closing mark ends it).
  let open: { start: number; family: number } | undefined = opened ? { start: 0, family: -1 } : undefined;
  for (const match of text.matchAll(PATTERN)) {
    const group = match.findIndex((part, i) => i > 0 && part !== undefined) - 1;
    const family = group >> 1;
    const closes = group % 2 === 1;
    const end = match.index + match[0].length;
    if (!closes) open ??= { start: match.index, family };
    else if (open === undefined) {
      // The lookahead of gpt-oss matches nothing, and stands where no thought was open.
      if (match[0] !== "") spans = [{ start: 0, end }];
    } else if (open.family === family || open.family < 0) {
      spans.push({ start: open.start, end });
      open = undefined;
    }
  }
  if (open) spans.push({ start: open.start, end: text.length });
  return { spans, unclosed: open !== undefined };
}

/**
 * The text with every thought replaced by blanks of the same length, so that positions in it are positions in `text`.
 */
export function maskThoughts(text: string, opened = false): { text: string; unclosed: boolean } {
  const { spans, unclosed } = thoughtSpans(text, opened);
  let out = "";
  let from = 0;
  for (const { start, end } of spans) {
    out += text.slice(from, start) + " ".repeat(end - start);
    from = end;
  }
  return { text: out + text.slice(from), unclosed };
}

/** What was said outside of thoughts, trimmed. `unclosed`: the text ends inside a thought. */
export function withoutThoughts(text: string, opened = false): { text: string; unclosed: boolean } {
  const { spans, unclosed } = thoughtSpans(text, opened);
  let said = "";
  let from = 0;
  for (const { start, end } of spans) {
    said += text.slice(from, start);
    from = end;
  }
  return { text: (said + text.slice(from)).trim(), unclosed };
}

/** Whether a prompt ends by opening a thought, so that what the model writes next begins inside one. */
export function endsInThought(prompt: string): boolean {
  const { spans, unclosed } = thoughtSpans(prompt);
  if (!unclosed) return false;
  // A mark within the prompt's text (a question about `<think>`) opens nothing.
  return new RegExp(`(?:${MARKS.map(([open]) => open).join("|")})\\s*$`, "i").test(
    prompt.slice(spans.at(-1)!.start),
  );
}
