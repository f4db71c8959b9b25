/** The parts of a tokenizer that take long to make: added and control tokens, texts by id, the encoder of plain text. */
import { join } from "node:path";
import { type Sliced, sliced } from "../async/slices.js";
import { SwirlError } from "../errors/swirl-error.js";
import { type AddedToken, ControlTokens } from "./control-tokens.js";
import { plainTokenizer } from "./plain-tokenizer.js";
import type { TokenizerFiles, TokenizerJson } from "./tokenizer-files.js";

/** What we use of the library's tokenizer. Its own type stays out of ours: strict projects cannot compile it. */
export interface Encoder {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
}

/** @internal */
export interface Prepared {
  added: AddedToken[];
  control: AddedToken[];
  written: ReadonlySet<string>; // by a template
  contents: (string | undefined)[];
  plain: Encoder;
}

/** Reads these parts out of the files. `chatTemplate` replaces the model's own. @throws SwirlError CHECKPOINT */
export function* prepareTokenizer(files: TokenizerFiles, chatTemplate?: string): Sliced<Prepared> {
  const json = files.tokenizer;
  const templates = chatTemplate ? [chatTemplate] : files.templates.map((template) => template.source);
  const added = json.added_tokens.map(
    (token): AddedToken => ({
      id: token.id,
      content: token.content,
      special: token.special === true,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      normalized: token.normalized === true,
    }),
  );
  const written = writtenBy(templates, added);
  const control = added.filter((token) => token.special || written.has(token.content));
  const contents = yield* contentsById(json, added);
  try {
    const plain = yield* plainTokenizer(files, control, contents.length);
    return { added, control, written, contents, plain };
  } catch (cause) {
    const file = join(files.dir, "tokenizer.json");
    throw new SwirlError("CHECKPOINT", `${file} cannot be used: ${(cause as Error).message}`, {
      remedy: "save the tokenizer with a current version of transformers",
      details: { file },
      cause,
    });
  }
}

/** Added tokens that a template writes, such as `<tool_call>`; blanks and single characters are text. */
function writtenBy(templates: readonly string[], added: readonly AddedToken[]): Set<string> {
  const visible = added.filter(({ content }) => content.trim().length > 2 && !/^[\s▁]+$/.test(content));
  const tokens = new ControlTokens(visible);
  return new Set(templates.flatMap((template) => [...tokens.within(template)]));
}

function* contentsById(json: TokenizerJson, added: readonly AddedToken[]): Sliced<(string | undefined)[]> {
  const { vocab } = json.model;
  const contents: (string | undefined)[] = [];
  const put = (content: string, id: number) => {
    while (contents.length <= id) contents.push(undefined);
    contents[id] = content;
  };
  yield* sliced(Object.keys(vocab), (content) => put(content, vocab[content]!));
  for (const token of added) put(token.content, token.id);
  return contents;
}
