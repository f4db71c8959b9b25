/** Tokenizers and chat templates of Hugging Face model folders. */
export type { ChatTemplate } from "./chat-template.js";
export type { Piece } from "./control-tokens.js";
export type { TokenBytes } from "./token-bytes.js";
export { type EncodeOptions, Tokenizer, type TokenizerOptions } from "./tokenizer.js";
export { checkVocabulary } from "./vocabulary.js";
