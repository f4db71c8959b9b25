/**
 * Text to token ids and back, as the model's own tokenizer.json defines it.
 *
 * Guarantees: `encode` makes control tokens only with `special: true`. Ids equal those of transformers with
 * add_special_tokens=False, and with split_special_tokens=True unless `special` is true. Immutable after loading.
 */

import { join } from "node:path";
import { atOnce, inSlices } from "../async/slices.js";
import { checkedMethods, ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { ChatTemplate } from "./chat-template.js";
import { ControlTokens, type Piece, SECTION, sanitize } from "./control-tokens.js";
import { hasStep, spaceSymbol, stripsFirstSpace } from "./decoder-steps.js";
import { type Encoder, type Prepared, prepareTokenizer } from "./prepare-tokenizer.js";
import { type TokenBytes, tokenBytes } from "./token-bytes.js";
import { readTokenizerFiles, type TokenizerFiles } from "./tokenizer-files.js";

/** Options of {@link Tokenizer.load}. */
export interface TokenizerOptions {
  /** Replaces the model's own chat template. */
  chatTemplate?: string;
  /** Further variables of the template, such as `enable_thinking` or `date_string`. */
  templateVariables?: Record<string, unknown>;
}

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Whether text such as `<|im_end|>` becomes its control token. false: it stays text. @default false */
  special?: boolean;
  /** The text continues another one, so that no space is put before it. @default false */
  continues?: boolean;
}

/**
 * The tokenizer of a Hugging Face model folder, with its chat template.
 *
 * @example
 * const tokenizer = await Tokenizer.load("models/smollm2");
 * const ids = tokenizer.encode("Hello"); // Int32Array
 * tokenizer.decode(ids); // "Hello"
 * const prompt = tokenizer.chat.renderPrompt([{ role: "user", content: "Hello" }]);
 */
export class Tokenizer {
  /** Path of the tokenizer.json. */
  readonly file: string;
  /** Largest id + 1. */
  readonly vocabSize: number;
  /** Control tokens by text: those marked special, and those that the chat template writes. */
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #contents: (string | undefined)[];
  readonly #added: ReadonlySet<number>;
  readonly #control: ControlTokens;
  /** Added tokens that are ordinary text, such as runs of blanks. */
  readonly #literal: ControlTokens;
  readonly #specialIds: ReadonlySet<number>;
  readonly #unwritten: ReadonlySet<number>; // special, and in no template
  readonly #plain: Encoder;
  readonly #stripsFirstSpace: boolean;
  readonly #files: TokenizerFiles;
  readonly #options: TokenizerOptions;
  #bytes: TokenBytes | undefined;
  #chat: ChatTemplate | undefined;
  #eosTokens: readonly number[] | undefined;

  /**
   * Reads the tokenizer of a Hugging Face model folder.
   *
   * @throws SwirlError CHECKPOINT when its files are missing or broken.
   */
  static async load(dir: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
    return await ofArgumentsAsync("Tokenizer.load", "(folder, options)", async () => {
      const files = await readTokenizerFiles(dir);
      return new Tokenizer(files, options, await inSlices(prepareTokenizer(files, options.chatTemplate)));
    });
  }

  /**
   * Makes a tokenizer from files that were read. Use {@link Tokenizer.load} instead.
   *
   * @internal
   * @param prepared Made without blocking by {@link Tokenizer.load}. When left out it is made here, which takes up to a
   * second.
   * @throws SwirlError CHECKPOINT when the files cannot be used.
   */
  constructor(
    files: TokenizerFiles,
    options: TokenizerOptions = {},
    prepared: Prepared = atOnce(prepareTokenizer(files, options.chatTemplate)),
  ) {
    this.file = join(files.dir, "tokenizer.json");
    this.#files = files;
    this.#options = options;
    const { added, control, written, contents, plain } = prepared;
    this.#contents = contents;
    this.vocabSize = contents.length;
    this.#added = new Set(added.map((token) => token.id));
    this.#control = new ControlTokens(control);
    const isControl = new Set(control);
    this.#literal = new ControlTokens(added.filter((token) => !isControl.has(token) && !token.normalized));
    this.#specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
    this.#unwritten = new Set(
      added.filter(({ special, content }) => special && !written.has(content)).map(({ id }) => id),
    );
    this.specialTokens = new Map(control.map((token) => [token.content, token.id]));
    this.#stripsFirstSpace = stripsFirstSpace(files.tokenizer.decoder);
    this.#plain = plain;
  }

  /**
   * Token ids of `text`: [tokens], empty for the empty string. No begin or end token is added.
   *
   * @throws SwirlError INPUT for a text that cannot be encoded.
   */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    if (!options.special)
      return Int32Array.from(this.#encodePlain(sanitize(text), options.continues === true));
    return this.encodePieces(this.#control.split(sanitize(text)), options.continues);
  }

  /** Token ids of the pieces of a rendered template, in order: [tokens]. */
  encodePieces(pieces: readonly Piece[], continues = false): Int32Array {
    const ids: number[] = [];
    for (const [index, piece] of pieces.entries()) {
      if (piece.id !== undefined) ids.push(piece.id);
      else for (const id of this.#encodePlain(piece.text ?? "", continues || index > 0)) ids.push(id);
    }
    return Int32Array.from(ids);
  }

  #encodePlain(text: string, continues: boolean): number[] {
    const ids: number[] = [];
    for (const [index, piece] of this.#literal.split(text).entries()) {
      if (piece.id !== undefined) ids.push(piece.id);
      else for (const id of this.#encodeWords(piece.text ?? "", continues || index > 0)) ids.push(id);
    }
    return ids;
  }

  #encodeWords(text: string, continues: boolean): number[] {
    try {
      if (!continues) return this.#plain.encode(text, { add_special_tokens: false }).ids;
      // A token that no text holds stands first, so that the text is not the first section of its sequence.
      return this.#plain.encode(SECTION + text, { add_special_tokens: false }).ids.slice(1);
    } catch (cause) {
      if (SwirlError.isInstance(cause)) throw cause;
      throw new SwirlError(
        "INPUT",
        `a text of ${text.length} characters cannot be encoded: ${(cause as Error).message}`,
        { remedy: "shorten the text", cause },
      );
    }
  }

  /**
   * Text of `tokens`. Bytes that are not UTF-8 become U+FFFD, and ids without a token have no text.
   *
   * @param options.skipSpecial Leaves out tokens marked special. Default false.
   * @throws SwirlError INPUT for a token id that is not a whole number of at least 0.
   */
  decode(tokens: ArrayLike<number>, options: { skipSpecial?: boolean } = {}): string {
    const { bytes, offsets } = this.#allBytes();
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let at = 0; at < tokens.length; at++) {
      const id = tokens[at]!;
      if (!Number.isInteger(id) || id < 0) {
        throw new SwirlError("INPUT", `token ${at} is ${id}, not a token id`, {
          details: { field: `tokens[${at}]` },
        });
      }
      // An embedding row beyond the vocabulary has no text.
      if (id >= this.vocabSize || (options.skipSpecial && this.#specialIds.has(id))) continue;
      const part = bytes.subarray(offsets[id]!, offsets[id + 1]!);
      parts.push(part);
      length += part.length;
    }
    const joined = new Uint8Array(length);
    let to = 0;
    for (const part of parts) {
      joined.set(part, to);
      to += part.length;
    }
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(joined);
    return this.#stripsFirstSpace && text.startsWith(" ") ? text.slice(1) : text;
  }

  /** UTF-8 bytes of every id below `vocab`, the model's number of embedding rows. @param vocab Default: `vocabSize`. */
  tokenBytes(vocab = this.vocabSize): TokenBytes {
    const { bytes, offsets } = this.#allBytes();
    const padded = new Int32Array(vocab + 1).fill(bytes.length);
    padded.set(offsets.subarray(0, vocab + 1));
    return { bytes: bytes.slice(0, padded[vocab]), offsets: padded };
  }

  #allBytes(): TokenBytes {
    const { decoder, pre_tokenizer, model } = this.#files.tokenizer;
    this.#bytes ??= tokenBytes(this.#contents, this.#added, {
      byteLevel: hasStep(decoder, "ByteLevel") || hasStep(pre_tokenizer, "ByteLevel"),
      byteFallback: model.byte_fallback === true || hasStep(decoder, "ByteFallback"),
      spaceSymbol: spaceSymbol(decoder),
    });
    return this.#bytes;
  }

  /** The token's own text, `<|im_end|>` or `Ġthe`; undefined for an id without a token. */
  tokenText(id: number): string | undefined {
    return this.#contents[id];
  }

  /** The id of a token by its own text; undefined when there is none. */
  tokenId(text: string): number | undefined {
    const id = this.#contents.indexOf(text);
    return id < 0 ? undefined : id;
  }

  /** Ids that end a turn: the eos tokens of both configs, and the token that ends an assistant's turn in the template. */
  get eosTokens(): readonly number[] {
    this.#eosTokens ??= this.#findEosTokens();
    return this.#eosTokens;
  }

  /** Whether a token is unused: marked special, and used by no template and no config. */
  isUnused(id: number): boolean {
    const bos = tokenContent(this.#files.config.bos_token);
    return this.#unwritten.has(id) && this.#contents[id] !== bos && !this.#declaredEos().has(id);
  }

  #declaredEos(): Set<number> {
    const ids = new Set<number>();
    const declared = this.#files.generationConfig.eos_token_id;
    for (const id of Array.isArray(declared) ? declared : [declared]) {
      if (Number.isInteger(id) && this.#contents[id] !== undefined) ids.add(id);
    }
    const eos = tokenContent(this.#files.config.eos_token);
    const eosId = eos === undefined ? undefined : this.tokenId(eos);
    if (eosId !== undefined) ids.add(eosId);
    return ids;
  }

  #findEosTokens(): number[] {
    const ids = this.#declaredEos();
    if (this.hasChatTemplate) {
      try {
        ids.add(this.chat.endOfTurn);
      } catch (error) {
        // A template without a marked end of turn still leaves the configs' tokens.
        if (ids.size === 0) throw error;
      }
    }
    return [...ids];
  }

  /** Whether the model, or the options, have a chat template. */
  get hasChatTemplate(): boolean {
    return this.#options.chatTemplate !== undefined || this.#files.templates.length > 0;
  }

  /**
   * The model's chat template, which writes prompts and turns.
   *
   * @throws SwirlError CHECKPOINT when the model has none.
   */
  get chat(): ChatTemplate {
    this.#chat ??= this.#makeChat();
    return this.#chat;
  }

  #makeChat(): ChatTemplate {
    const { templates, config, dir } = this.#files;
    const own = this.#options.chatTemplate;
    const sources = own ? [{ name: "default", source: own, file: "option chatTemplate" }] : templates;
    if (sources.length === 0) {
      throw new SwirlError("CHECKPOINT", `${dir} has no chat template`, {
        remedy: "use an instruction-tuned model, or pass a Jinja template as `chatTemplate`",
        details: { file: join(dir, "tokenizer_config.json"), field: "chat_template" },
      });
    }
    const variables: Record<string, unknown> = {};
    for (const name of ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token"]) {
      const content = tokenContent(config[name]);
      if (content !== undefined) variables[name] = content;
    }
    return new ChatTemplate(
      this,
      sources,
      { ...variables, ...this.#options.templateVariables },
      this.#control,
    );
  }
}

/** A token in a config is a string or an object with `content`. */
function tokenContent(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

checkedMethods(Tokenizer, {
  encode: "(text, options)",
  encodePieces: "(pieces, continues)",
  decode: "(token ids, options)",
  tokenBytes: "a vocabulary size",
  tokenText: "a token id",
});
