/** The text that each token of an action stands for. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "../tokenizer/tokenizer.js";

/** The tokenizer of the first of several folders that has one; undefined when none has. */
export async function findTokenizer(folders: readonly string[]): Promise<Tokenizer | undefined> {
  for (const folder of folders) {
    const exists = await stat(join(folder, "tokenizer.json")).then(
      () => true,
      () => false,
    );
    if (exists) return await Tokenizer.load(folder);
  }
  return undefined;
}

/**
 * One text per token. A character that consists of several tokens is in the last of them. Undefined when the tokens do
 * not spell `text`: they come from another tokenizer.
 */
export function tokenPieces(
  tokenizer: Tokenizer,
  tokens: readonly number[],
  text: string,
): string[] | undefined {
  const { bytes, offsets } = tokenizer.tokenBytes();
  const decoder = new TextDecoder();
  const pieces = tokens.map((token) => {
    const from = offsets[token];
    const to = offsets[token + 1];
    if (from === undefined || to === undefined) return "";
    return decoder.decode(bytes.subarray(from, to), { stream: true });
  });
  return pieces.join("").includes(text.trim()) ? pieces : undefined;
}
