/** What is known here of a model that servers hold: its tokenizer and, where it is given, the sizes in config.json. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import { pulledModelFolder } from "../model-folder.js";

export interface ServedModel {
  folder: string;
  tokenizer: Tokenizer;
  /** Ids are below it. */
  vocabSize: number;
  /** Context length by config.json; Infinity where it says none. */
  contextLength: number;
  /** UTF-8 bytes of a token, control tokens included; none for an id without a token. */
  bytes(id: number): Uint8Array;
  /** Whether the id is a control token. */
  isControl(id: number): boolean;
}

/** @throws SwirlError CHECKPOINT for a folder without a usable tokenizer. */
export async function servedModel(name: string, signal?: AbortSignal): Promise<ServedModel> {
  const folder = await pulledModelFolder(name, signal);
  const tokenizer = await Tokenizer.load(folder);
  void tokenizer.chat; // a folder without a chat template is refused now
  const sizes = await configSizes(folder);
  const vocabSize = Math.max(tokenizer.vocabSize, sizes.vocab ?? 0);
  const { bytes, offsets } = tokenizer.tokenBytes(vocabSize);
  const control = new Set(tokenizer.specialTokens.values());
  return {
    folder,
    tokenizer,
    vocabSize,
    contextLength: sizes.positions ?? Number.POSITIVE_INFINITY,
    bytes: (id) => bytes.subarray(offsets[id]!, offsets[id + 1]!),
    isControl: (id) => control.has(id),
  };
}

/** The served model may be of a family that the engine does not know, so only two numbers are read. */
async function configSizes(folder: string): Promise<{ vocab?: number; positions?: number }> {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse((await readFile(join(folder, "config.json"), "utf8")).replace(/^\ufeff/, ""));
  } catch {
    return {};
  }
  const inner = (typeof json.text_config === "object" && json.text_config) || {};
  const { vocab_size: vocab, max_position_embeddings: positions } = { ...json, ...inner } as Record<
    string,
    unknown
  >;
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
  return { ...(isSize(vocab) ? { vocab } : {}), ...(isSize(positions) ? { positions } : {}) };
}
