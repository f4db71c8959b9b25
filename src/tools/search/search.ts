/** Search as a tool: the best passages for a query, as "Title: text", truncated to a number of characters. */

import { z } from "zod";
import { ofArguments } from "../../errors/arguments.js";
import { parseOptions } from "../../options/parse-options.js";
import { type Tool, tool } from "../tool.js";
import type { Hit, Retriever } from "./retriever.js";

/** Options of {@link search}. */
export interface SearchOptions {
  /** Passages per search, 1 … 100. The paper's results seem to have one. @default 1 */
  topK?: number | undefined;
  /** Maximum characters of the whole result, 20 … 1,000,000. A longer one is truncated at a word and ends in "…". @default 2000 */
  maxCharacters?: number | undefined;
  /** Maximum characters of a query, at least 1; the rest is not searched for. @default 1000 */
  maxQueryCharacters?: number | undefined;
}

export const searchSchema = z.strictObject({
  topK: z.int().min(1).max(100).default(1),
  maxCharacters: z.int().min(20).max(1_000_000).default(2_000),
  maxQueryCharacters: z.int().min(1).default(1_000),
});

export const NOTHING_FOUND = "No passage found.";

/** The input of a search tool. */
export interface SearchInput {
  /** What to look for; not empty. */
  query: string;
}

/**
 * A search tool named `search`, with the tag `search_query`, over any {@link Retriever}. Its result has one line per
 * passage, "Title: text", or reports that no passage was found.
 *
 * @throws SwirlError CONFIG for bad options.
 * @example
 * const index = await Bm25Index.build(readPassages("wiki.jsonl"));
 * const task = searchTask(search(index, { topK: 3 }));
 */
export function search(retriever: Retriever, input: SearchOptions = {}): Tool<SearchInput> {
  return ofArguments("search", "(retriever, options)", () => {
    const options = parseOptions(searchSchema, input, "search");
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
  });
}

/** One line per passage. A result that is too long is truncated at a word and ends in an ellipsis. */
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
  // A word longer than a fifth of the result is split, but never a surrogate pair.
  const end = border >= length * 0.8 ? border : /[\ud800-\udbff]$/.test(kept) ? kept.length - 1 : kept.length;
  return `${kept.slice(0, end)}…`;
}
