/**
 * Questions of dataset files, in their order or shuffled with a seed, as an async iterable. Rows are streamed; a shuffle
 * holds the questions (not their contexts) in memory.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { createRandom } from "../random/random.js";
import type { Question } from "../trajectory/question.js";
import { FORMAT_NAMES } from "./formats/index.js";
import { readRows } from "./read-rows.js";

const optionsSchema = z.strictObject({
  /** Default: told from the first row. */
  format: z.enum(FORMAT_NAMES).optional(),
  /** Questions left out at the beginning, after the shuffle. */
  offset: z.int().min(0).default(0),
  /** Questions read; default all. */
  limit: z.int().min(0).optional(),
  /** Seed of a shuffle; absent: the files' order. */
  shuffle: z.int().min(0).optional(),
});

export type ReadQuestionsOptions = z.input<typeof optionsSchema>;

/** @throws SwirlError RECORD for a row that is malformed or repeats an id, with file, line and field. */
export async function* readQuestions(
  files: string | readonly string[],
  input: ReadQuestionsOptions = {},
): AsyncGenerator<Question, void, undefined> {
  const {
    format,
    offset,
    limit = Number.POSITIVE_INFINITY,
    shuffle,
  } = parseOptions(optionsSchema, input, "readQuestions");
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
            remedy: "give every question an id of its own, or leave the repetition out",
            details: { file, line, field: "id" },
          },
        );
      }
      seen.set(question.id, `${file}:${line}`);
      yield question;
    }
  }
}
