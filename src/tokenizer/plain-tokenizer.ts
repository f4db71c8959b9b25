import type { AddedToken } from "./control-tokens.js";
import { hiddenName, SECTION } from "./control-tokens.js";
import { exactPreTokenizer } from "./exact-steps.js";
import type { TokenizerJson } from "./tokenizer-files.js";

/** The same tokenizer without a way from text to a control token: neither as an added token nor as a merge or piece. */
export function plainTokenizerJson(json: TokenizerJson, control: readonly AddedToken[], vocabSize: number) {
  const hidden = new Map(control.map((token) => [token.content, hiddenName(token.id)]));
  const rename = (content: string) => hidden.get(content) ?? content;
  const { model } = json;
  // Those matched before normalisation are found by Tokenizer itself; the package would also match them after it.
  const kept = json.added_tokens.filter((token) => !hidden.has(token.content) && token.normalized);
  const reserved = { id: vocabSize, content: SECTION, special: false, normalized: false };
  return {
    ...json,
    post_processor: null,
    pre_tokenizer: exactPreTokenizer(json.pre_tokenizer),
    added_tokens: [...kept, reserved],
    model: {
      ...model,
      unk_token: typeof model.unk_token === "string" ? rename(model.unk_token) : model.unk_token,
      vocab: Object.fromEntries(Object.entries(model.vocab).map(([piece, id]) => [rename(piece), id])),
      ...(model.merges && {
        merges: model.merges.filter((merge) => {
          const parts = typeof merge === "string" ? merge.split(" ", 2) : merge;
          return !hidden.has(parts.join(""));
        }),
      }),
    },
  };
}
