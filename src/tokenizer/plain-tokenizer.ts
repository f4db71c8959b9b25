import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { type Sliced, sliced } from "../async/slices.js";
import { boundPatterns } from "./bounded-pattern.js";
import type { AddedToken } from "./control-tokens.js";
import { hiddenName, SECTION } from "./control-tokens.js";
import { exactPreTokenizer } from "./exact-steps.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

/** The lookup tables of the package's BPE model. */
interface BpeTables {
  vocab: string[];
  tokens_to_ids: Map<string, number>;
  unk_token_id: number | undefined;
  bpe_ranks: Map<string, number>; // of JSON.stringify([left, right])
}

/**
 * The same tokenizer without a way from text to a control token: neither as an added token nor as a merge or piece.
 *
 * It is made empty and then filled as its constructor would fill it, in slices: at once, 150,000 tokens and merges take
 * most of a second.
 */
export function* plainTokenizer(
  { dir, tokenizer: json, config }: Pick<TokenizerFiles, "dir" | "tokenizer" | "config">,
  control: readonly AddedToken[],
  vocabSize: number,
): Sliced<HuggingFaceTokenizer> {
  const hidden = new Map(control.map((token) => [token.content, hiddenName(token.id)]));
  // A file may give a control token's id to an ordinary piece as well: that would be a way to it.
  const controlIds = new Set(control.map(({ id }) => id));
  yield* sliced(Object.keys(json.model.vocab), (piece) => {
    const id = json.model.vocab[piece]!;
    if (controlIds.has(id)) hidden.set(piece, hiddenName(id));
  });
  const rename = (content: string) => hidden.get(content) ?? content;
  const { vocab, merges = [], unk_token, ...model } = json.model;
  const unknown = typeof unk_token === "string" ? rename(unk_token) : unk_token;
  // Those matched before normalisation are found by Tokenizer itself; the package would also match them after it.
  const kept = json.added_tokens.filter((token) => !hidden.has(token.content) && token.normalized);
  const added = [...kept, { id: vocabSize, content: SECTION, special: false, normalized: false }];
  const tokenizer = new HuggingFaceTokenizer(
    {
      ...json,
      post_processor: null,
      pre_tokenizer: exactPreTokenizer(json.pre_tokenizer),
      added_tokens: added,
      model: { ...model, unk_token: unknown, vocab: {}, merges: [] },
    },
    config,
  );
  const file = join(dir, "tokenizer.json");
  boundPatterns(tokenizer.normalizer, file);
  boundPatterns(tokenizer.pre_tokenizer, file);
  const bpe = tokenizer.model as unknown as BpeTables;
  bpe.tokens_to_ids.clear();
  yield* sliced(Object.keys(vocab), (piece) => {
    const id = vocab[piece]!;
    const name = rename(piece);
    bpe.tokens_to_ids.set(name, id);
    bpe.vocab[id] = name;
  });
  bpe.unk_token_id = bpe.tokens_to_ids.get(unknown as string);
  for (const { id, content } of added) {
    bpe.tokens_to_ids.set(content, id);
    bpe.vocab[id] = content;
  }
  let rank = 0;
  yield* sliced(merges, (merge) => {
    const parts = typeof merge === "string" ? merge.split(" ", 2) : merge;
    if (!hidden.has(parts.join(""))) bpe.bpe_ranks.set(JSON.stringify(parts), rank++);
  });
  return tokenizer;
}
