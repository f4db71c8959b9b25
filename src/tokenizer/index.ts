export type { ChatTemplate } from "./chat-template.js";
export type { TokenBytes } from "./token-bytes.js";
export { type EncodeOptions, Tokenizer, type TokenizerOptions } from "./tokenizer.js";
export { checkVocabulary } from "./vocabulary.js";
