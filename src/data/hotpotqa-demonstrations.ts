/**
 * HotpotQA's supporting facts as demonstrations of search: one query per supporting article, by its title, then the
 * answer. The real search provides the observations. A demonstration whose query does not find its article is rejected
 * when it is replayed.
 *
 * The question alone has to suggest the first query, so that query is the title of which the question mentions most
 * words. Rows whose question mentions no title are left out: a policy could only learn to guess from them.
 */

import { z } from "zod";
import { ofArgumentsEach } from "../errors/arguments.js";
import { parseRecord } from "../files/jsonl-reader.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import { supportingFactsSchema } from "./formats/context.js";
import { readJsonRows } from "./json-rows.js";

const rowSchema = z
  .object({
    _id: z.string().min(1).optional(),
    id: z.string().min(1).optional(),
    question: z.string().trim().min(1),
    answer: z.string().trim().min(1),
    supporting_facts: supportingFactsSchema.refine((facts) => facts.length > 0, "needs a supporting fact"),
  })
  .refine(({ _id, id }) => _id !== undefined || id !== undefined, { path: ["_id"], message: "needs an id" });

/** Options of {@link readHotpotqaDemonstrations}. */
export interface HotpotqaDemonstrationsOptions {
  /**
   * Rows skipped at the beginning.
   * @default 0
   */
  offset?: number;
  /** Demonstrations read. Default: all. */
  limit?: number;
  /**
   * Name of the tool that is called.
   * @default "search"
   */
  tool?: string;
}

/**
 * Reads HotpotQA's supporting facts as demonstrations of search, in the file's order. Question ids are those of
 * {@link readQuestions}. Rows whose question mentions no supporting title are left out.
 *
 * @throws SwirlError RECORD naming file, line and field.
 */
export async function* readHotpotqaDemonstrations(
  file: string,
  options: HotpotqaDemonstrationsOptions = {},
): AsyncGenerator<Demonstration, void, undefined> {
  yield* ofArgumentsEach("readHotpotqaDemonstrations", "(file, options)", async function* () {
    const { offset = 0, limit = Number.POSITIVE_INFINITY, tool = "search" } = options;
    let index = 0;
    let count = 0;
    for await (const { value, line } of readJsonRows(file)) {
      if (count >= limit) return;
      if (index++ < offset) continue;
      const row = parseRecord(value, rowSchema, { what: "hotpotqa", file, line });
      const titles = queryOrder(row.question, [...new Set(row.supporting_facts.map(([title]) => title))]);
      if (titles === undefined) continue;
      count++;
      yield {
        question: { id: (row._id ?? row.id)!, question: row.question, answers: [row.answer] },
        steps: titles.map((title) => ({
          thought: "",
          call: { name: tool, input: title },
          observation: title,
        })),
        answer: row.answer,
      };
    }
  });
}

/** Titles by how much of each the question mentions, most first. Undefined when it mentions none. */
export function queryOrder(question: string, titles: readonly string[]): string[] | undefined {
  const asked = new Set(words(question));
  const mentioned = titles.map((title) => {
    const parts = words(title);
    return { title, share: parts.filter((word) => asked.has(word)).length / Math.max(1, parts.length) };
  });
  mentioned.sort((a, b) => b.share - a.share); // stable: equals stay in the row's order
  return mentioned[0]!.share > 0 ? mentioned.map(({ title }) => title) : undefined;
}

/** Words of three letters and more, and numbers, in lower case. */
function words(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter(
    (word) => word.length > 2 || /\d/.test(word),
  );
}
