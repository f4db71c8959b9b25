import { SwirlError } from "../../../../src/errors/swirl-error.js";
import { Tokenizer } from "../../../../src/tokenizer/tokenizer.js";
import { checkTokenizerJson } from "../../../../src/tokenizer/tokenizer-files.js";
import { mutateJson } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { testFile } from "./corpus.js";

const FOLDER = "golden/tokenizer/chatml-tools";
const read = (name: string) => JSON.parse(testFile(`${FOLDER}/${name}`)) as Record<string, unknown>;
const whole = read("tokenizer.json") as { model: { vocab: Record<string, number>; merges: unknown[] } };
// Most of a vocabulary is more of the same: a small one leaves the edits to the rest.
const small = {
  ...whole,
  model: {
    ...whole.model,
    vocab: Object.fromEntries(Object.entries(whole.model.vocab).slice(0, 270)),
    merges: whole.model.merges.slice(0, 10),
  },
};
const NORMALIZER = {
  type: "Sequence",
  normalizers: [{ type: "NFC" }, { type: "Replace", pattern: { String: " " }, content: "▁" }],
};
const SEEDS = [
  { tokenizer: small, config: read("tokenizer_config.json") },
  {
    tokenizer: { ...small, normalizer: NORMALIZER, decoder: { type: "ByteFallback" } },
    config: { add_bos_token: true },
  },
];
const TEXT = "It's 12 o'clock,\n <|im_end|> é🙂";

/**
 * Text becomes ids of the vocabulary, and none that is special; a file that is accepted encodes, or its error gives the
 * reason.
 */
export const tokenizer: FuzzedParser = {
  name: "tokenizer",
  share: 0.02,
  input: (random) => JSON.stringify(mutateJson(random, random.pick(SEEDS))) ?? "",
  read: (input) => {
    const { tokenizer: json, config } = (JSON.parse(input) ?? {}) as Record<string, Record<string, unknown>>;
    if (!isObject(json) || !isObject(config))
      throw new SwirlError("CHECKPOINT", "not an object, as the reader of the files says");
    const files = { dir: "folder", config, generationConfig: {}, templates: [] };
    const made = new Tokenizer({ ...files, tokenizer: checkTokenizerJson(json, "tokenizer.json") });
    const ids = made.encode(TEXT);
    const special = new Set(made.specialTokens.values());
    must(
      ids.every((id) => id >= 0 && id < made.vocabSize && !special.has(id)),
      "text becomes ids of ordinary tokens",
    );
    return [...ids, made.decode(ids), made.eosTokens];
  },
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
