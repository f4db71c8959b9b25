/**
 * The demo policy's tokenizer and chat template, in the files Hugging Face's libraries read.
 *
 * Byte-level BPE without merges (`ignore_merges`): each word of the demo's language is one token with its leading
 * space, each number of up to two digits is one token, and everything else falls back to single bytes, so any text encodes and decodes
 * back to itself. Words that begin a text are the same token without its space. Turns are framed by special tokens.
 */
import { FIRST_WORDS, LAST_WORDS, RELATION_WORDS, THINGS, VERBS } from "./language.js";

export const USER_TOKEN = "<|user|>";
export const ASSISTANT_TOKEN = "<|assistant|>";
export const END_TOKEN = "<|end|>";
export const PAD_TOKEN = "<|pad|>";
const SPECIAL_TOKENS = [PAD_TOKEN, USER_TOKEN, ASSISTANT_TOKEN, END_TOKEN];

/** Written between words and numbers of questions, articles and actions. */
const GLUE_WORDS = "What is the of The has How many".split(" ");
const TAGS = ["search_query", "math_exp", "answer"].flatMap((tag) => [`<${tag}>`, `</${tag}>`]);
const SIGNS = [" +", " -", " *", " /", " ->"];

/** Tags, words with their space, numbers in groups of two digits, runs of other signs, runs of space. */
const SPLIT = "</?[a-z_]+>| ?[A-Za-z]+|[0-9]{1,2}| ?[^\\sA-Za-z0-9<]+|<|\\s+";

/** GPT-2's printable stand-in for each byte. */
const BYTE_LETTERS: readonly string[] = (() => {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let others = 0;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : 256 + others++));
})();

function byteLetters(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => BYTE_LETTERS[byte]!).join("");
}

function vocabulary(): string[] {
  const names = [...FIRST_WORDS, ...LAST_WORDS];
  const verbs = Object.values(VERBS).flatMap((said) => said.flatMap((verb) => verb.split(" ")));
  const spaced = [...names, ...RELATION_WORDS, ...THINGS, ...verbs, ...GLUE_WORDS].map((word) => ` ${word}`);
  const leading = [...FIRST_WORDS, ...RELATION_WORDS, ...GLUE_WORDS];
  const tens = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, "0"));
  const pieces = [...spaced, ...leading, ...TAGS, ...SIGNS, ...tens].map(byteLetters);
  return [...SPECIAL_TOKENS, ...new Set([...BYTE_LETTERS, ...pieces])];
}

export const VOCABULARY: readonly string[] = vocabulary();
export const END_ID = VOCABULARY.indexOf(END_TOKEN);
export const PAD_ID = VOCABULARY.indexOf(PAD_TOKEN);

/** The content of tokenizer.json. */
export function tokenizerJson(): Record<string, unknown> {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: SPLIT }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: true,
      vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
      merges: [],
    },
  };
}

/** Tool observations are user turns, as in the tag format. */
export const CHAT_TEMPLATE =
  "{% for message in messages %}" +
  `{{ ('${ASSISTANT_TOKEN}' if message['role'] == 'assistant' else '${USER_TOKEN}') + message['content'] + '${END_TOKEN}' }}` +
  "{% endfor %}" +
  `{% if add_generation_prompt %}{{ '${ASSISTANT_TOKEN}' }}{% endif %}`;

/** The content of tokenizer_config.json. */
export function tokenizerConfig(maxPositions: number): Record<string, unknown> {
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_bos_token: false,
    add_eos_token: false,
    eos_token: END_TOKEN,
    pad_token: PAD_TOKEN,
    clean_up_tokenization_spaces: false,
    model_max_length: maxPositions,
    chat_template: CHAT_TEMPLATE,
  };
}
