/**
 * The context of HotpotQA and its successors: a list of [title, sentences] as released, { title: […], sentences: […] }
 * as on the Hugging Face hub, or either printed as JSON.
 */
import { z } from "zod";
import type { Passage } from "../passage.js";

const sentences = z.union([z.string(), z.array(z.string())]);
const pairs = z.array(z.tuple([z.string(), sentences]));

/** Parses text that is JSON. Other text is left to the schema. */
export function fromJsonText(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Turns two parallel lists into pairs; anything else is returned as it is. */
function zipped(value: unknown, second: readonly string[]): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { title, ...rest } = value as Record<string, unknown>;
  const other = second.map((name) => rest[name]).find(Array.isArray);
  if (!Array.isArray(title) || !other || title.length !== other.length) return value;
  return title.map((one, i) => [one, other[i]]);
}

export const contextSchema = z.preprocess(
  (value) => zipped(fromJsonText(value), ["sentences", "content", "text"]),
  pairs,
);

/** Pairs of a title and the index of a sentence. */
export const supportingFactsSchema = z.preprocess(
  (value) => zipped(fromJsonText(value), ["sent_id"]),
  z.array(z.tuple([z.string(), z.int()])),
);

export function contextPassages(context: z.infer<typeof pairs> | undefined | null): Passage[] {
  return (context ?? []).map(([title, text]) => ({ title, text: joinSentences(text) }));
}

/** Some files keep the space before a sentence, some do not. */
export function joinSentences(text: string | readonly string[]): string {
  if (typeof text === "string") return text.trim();
  return text
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "")
    .join(" ");
}
