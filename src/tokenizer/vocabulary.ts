/**
 * Whether a tokenizer and a model belong together: every id that text becomes must have an embedding row. A special
 * token without a row (a padding token added to the tokenizer alone) is refused only where it is used.
 */

import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Tokenizer } from "./tokenizer.js";

/** Gemma 3's text-only checkpoints keep this token of the image models, one past their last row; no text becomes it. */
const NEVER_PRODUCED = new Set(["<image_soft_token>"]);

/** Throws CHECKPOINT when the tokenizer has an id that is not below `vocab`, the model's number of rows. */
export function checkVocabulary(
  tokenizer: Pick<Tokenizer, "vocabSize" | "tokenText" | "file"> & Partial<Pick<Tokenizer, "isUnused">>,
  vocab: number,
): void {
  ofArguments("checkVocabulary", "(tokenizer, vocabulary size)", () => {
    for (let id = tokenizer.vocabSize - 1; id >= vocab; id--) {
      const text = tokenizer.tokenText(id);
      if (text === undefined || NEVER_PRODUCED.has(text) || tokenizer.isUnused?.(id)) continue;
      throw new SwirlError(
        "CHECKPOINT",
        `vocabulary and tokenizer disagree: ${tokenizer.file} has token ${JSON.stringify(text)} with id ${id}, ` +
          `the model has ${vocab} rows`,
        {
          remedy: "use the tokenizer that was saved with this model, or resize the model's embeddings",
          details: { file: tokenizer.file, field: "vocab_size", vocab, id },
        },
      );
    }
  });
}
