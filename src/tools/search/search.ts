/** Search as a tool: the best passages for a query, as "Title: text", cut to a bounded number of characters. */
import { z } from "zod";
import { parseOptions } from "../../options/parse-options.js";
import { type Tool, tool } from "../tool.js";
import type { Hit, Retriever } from "./retriever.js";

const optionsSchema = z.strictObject({
  /** Passages a search returns. The paper reads as one. */
  topK: z.int().min(1).max(100).default(1),
  /** Characters of the whole result. */
  maxCharacters: z.int().min(20).max(1_000_000).default(2_000),
  /** Characters of a query; what is beyond is not searched for. */
  maxQueryCharacters: z.int().min(1).default(1_000),
});

export type SearchOptions = z.input<typeof optionsSchema>;

export const NOTHING_FOUND = "No passage found.";

export function search(retriever: Retriever, input: SearchOptions = {}): Tool<{ query: string }> {
  const options = parseOptions(optionsSchema, input, "search");
  return tool({
    name: "search",
    description: "Searches a collection of articles and returns the passage that fits a query best.",
    inputSchema: z.object({
      query: z.string().trim().min(1, "the query is empty").describe("What to look for"),
    }),
    tag: "search_query",
    execute: async ({ query }, { signal }) => {
      const hits = await retriever.search(query.slice(0, options.maxQueryCharacters), options.topK, {
        ...(signal && { signal }),
      });
      return resultText(hits, options.maxCharacters);
    },
  });
}

/** One line a passage. A text that is too long ends in an ellipsis at a word's border. */
export function resultText(hits: readonly Hit[], maxCharacters: number): string {
  if (hits.length === 0) return NOTHING_FOUND;
  const lines = hits.map(({ passage: { title, text } }) =>
    title ? `${oneLine(title)}: ${oneLine(text)}` : oneLine(text),
  );
  return truncate(lines.join("\n"), maxCharacters);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function truncate(text: string, length: number): string {
  if (text.length <= length) return text;
  const kept = text.slice(0, length - 1);
  const border = kept.search(/\s\S*$/);
  // A word longer than a fifth of the result is cut, but never between the halves of a character.
  const end = border >= length * 0.8 ? border : /[\ud800-\udbff]$/.test(kept) ? kept.length - 1 : kept.length;
  return `${kept.slice(0, end)}…`;
}
