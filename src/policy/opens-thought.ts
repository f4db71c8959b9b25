import { endsInThought } from "../messages/thought.js";
import type { Context } from "./policy.js";

/** Enough tokens for the mark that opens a thought. */
const TAIL_TOKENS = 32;

/**
 * Whether a context ends by opening a thought. A native policy's context can be read; an endpoint's template is
 * unknown.
 */
export function opensThought(policy: object, context: Context): boolean {
  const { tokenizer } = policy as { tokenizer?: { decode?: (tokens: Int32Array) => string } };
  if (!context.tokens || typeof tokenizer?.decode !== "function") return false;
  return endsInThought(tokenizer.decode(context.tokens.slice(-TAIL_TOKENS)));
}
