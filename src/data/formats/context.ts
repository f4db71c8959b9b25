/** The context of HotpotQA and its successors: a list of [title, sentences]. */
import { z } from "zod";
import type { Passage } from "../passage.js";

export const contextSchema = z.array(z.tuple([z.string(), z.union([z.string(), z.array(z.string())])]));

export function contextPassages(context: z.infer<typeof contextSchema> | undefined): Passage[] {
  return (context ?? []).map(([title, text]) => ({ title, text: joinSentences(text) }));
}

/** Some files keep the blank before a sentence, some do not. */
export function joinSentences(text: string | readonly string[]): string {
  if (typeof text === "string") return text.trim();
  return text
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "")
    .join(" ");
}
