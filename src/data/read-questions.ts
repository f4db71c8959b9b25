/**
 * Questions of dataset files, in their order or shuffled with a seed, as an async iterable. Rows are streamed. A
 * shuffle holds the questions (not their contexts) in memory.
 */

import { z } from "zod";
import { ofArgumentsEach } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { createRandom } from "../random/random.js";
import type { Question } from "../trajectory/question.js";
import { FORMAT_NAMES, type FormatName } from "./formats/index.js";
import { readRows } from "./read-rows.js";

/** Options of {@link readQuestions}. */
export interface ReadQuestionsOptions {
  /** Name of the dataset. Default: recognized from the first row of each file. */
  format?: FormatName | undefined;
  /**
   * Questions skipped at the beginning, after the shuffle. 0 or more.
   * @default 0
   */
  offset?: number | undefined;
  /** Maximum number of questions, 0 or more. Default: all. */
  limit?: number | undefined;
  /** Seed of a shuffle, an integer of 0 or more. Default: the order of the files. */
  shuffle?: number | undefined;
}

export const readQuestionsSchema = z.strictObject({
  format: z.enum(FORMAT_NAMES).optional(),
  offset: z.int().min(0).default(0),
  limit: z.int().min(0).optional(),
  shuffle: z.int().min(0).optional(),
});

/**
 * Reads the questions of dataset files.
 *
 * @param files One path or several: JSON, JSONL or Parquet. JSON may be compressed with gzip.
 * @throws SwirlError CONFIG for bad options; RECORD for a row that is malformed or repeats an id, with file, line and
 * field.
 * @example
 * const questions = readQuestions("gsm8k/train.jsonl", { shuffle: 0, limit: 200 });
 */
export async function* readQuestions(
  files: string | readonly string[],
  input: ReadQuestionsOptions = {},
): AsyncGenerator<Question, void, undefined> {
  yield* ofArgumentsEach("readQuestions", "(file or files, options)", async function* () {
    const {
      format,
      offset,
      limit = Number.POSITIVE_INFINITY,
      shuffle,
    } = parseOptions(readQuestionsSchema, input, "readQuestions");
    const source = allQuestions(typeof files === "string" ? [files] : files, format);
    if (shuffle !== undefined) {
      const questions: Question[] = [];
      for await (const question of source) questions.push(question);
      yield* createRandom(shuffle, "questions")
        .shuffle(questions)
        .slice(offset, offset + limit);
      return;
    }
    let index = 0;
    if (limit === 0) return;
    for await (const question of source) {
      if (index++ < offset) continue;
      yield question;
      if (index >= offset + limit) return;
    }
  });
}

async function* allQuestions(
  files: readonly string[],
  name: ReadQuestionsOptions["format"],
): AsyncGenerator<Question, void, undefined> {
  const seen = new Map<string, string>();
  for (const file of files) {
    for await (const { row, format, line, fallbackId } of readRows(file, name)) {
      const question = format.question(row, fallbackId);
      const before = seen.get(question.id);
      if (before !== undefined) {
        throw new SwirlError(
          "RECORD",
          `${file}:${line}: id ${JSON.stringify(question.id)} was used in ${before}`,
          {
            remedy: "give every question its own id, or remove the repetition",
            details: { file, line, field: "id" },
          },
        );
      }
      seen.set(question.id, `${file}:${line}`);
      yield question;
    }
  }
}
