/**
 * The accepted answers of a row, under the names that datasets give them: a text, a number, a truth value ("yes" or
 * "no"), a list of these, a list printed as JSON, SQuAD's { text: […] } or TriviaQA's { value, aliases }.
 */
import { z } from "zod";
import { distinct } from "./format.js";

/** Each names the answer. A row may have several of them only where one holds all that the others do. */
const ANSWERS = [
  "answers",
  "answer",
  "golden_answers",
  "golden_answer",
  "gold_answers",
  "gold_answer",
  "golds",
  "gold",
  "targets",
  "target",
  "possible_answers",
  "correct_answers",
  "correct_answer",
  "reference_answers",
  "reference_answer",
  "references",
  "reference",
  "ground_truths",
  "ground_truth",
  "final_answer",
  "expected_answer",
] as const;
/** Other spellings of the answer, accepted as well. */
const ALIASES = ["answer_aliases", "answers_aliases", "answer_alias", "aliases"] as const;
const NAMES: readonly string[] = [...ANSWERS, ...ALIASES];
/** A name that suggests an answer, in a form that is not known here. */
const SIMILAR = /an[sw]{1,2}e?re?s?|gold|truth|alias|^(?:label|target|solution|response|output|correct)/i;

type Row = Record<string, unknown>;

/** A schema of rows with these fields, and of their answers. A row keeps its other fields. */
export function rowWithGold<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.looseObject(shape).superRefine((row: Row, context) => {
    try {
      goldAnswers(row);
    } catch (error) {
      if (!(error instanceof GoldError)) throw error;
      context.addIssue({ code: "custom", message: error.message, path: error.path });
    }
  });
}

class GoldError extends Error {
  constructor(
    readonly path: (string | number)[],
    message: string,
  ) {
    super(message);
  }
}

/** Without repetitions, in the row's order; empty when the row has no answer (a hidden test set). */
export function goldAnswers(row: Row): string[] {
  const given = ANSWERS.filter((name) => isGiven(row[name])).map((name) => ({
    name,
    answers: distinct(textsOf(row[name], [name])),
  }));
  const aliases = ALIASES.flatMap((name) => (isGiven(row[name]) ? textsOf(row[name], [name]) : []));
  if (given.length === 0 && aliases.length === 0) refuseUnknownName(row);
  const [largest] = [...given].sort((a, b) => b.answers.length - a.answers.length);
  const other = given.find(({ answers }) => !answers.every((answer) => largest!.answers.includes(answer)));
  if (other) {
    throw new GoldError(
      [other.name],
      `${other.name} and ${largest!.name} hold different answers (${JSON.stringify(other.answers)} and ` +
        `${JSON.stringify(largest!.answers)}): leave one field of ${Object.keys(row).join(", ")}`,
    );
  }
  return distinct([...(largest?.answers ?? []), ...aliases]);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function refuseUnknownName(row: Row): void {
  if (NAMES.some((name) => name in row)) return; // present, and null
  const similar = Object.keys(row).find((name) => SIMILAR.test(name) && isGiven(row[name]));
  if (similar === undefined) return;
  throw new GoldError(
    [similar],
    `no answer under a known name; the row has ${Object.keys(row).join(", ")}. Rename the answer's field to "answers"`,
  );
}

function textsOf(value: unknown, path: (string | number)[]): string[] {
  if (typeof value === "string") return fromJson(value, path) ?? [value];
  if (typeof value === "number" && Number.isFinite(value)) return [String(value)];
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  if (value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, i) => textsOf(item, [...path, i]));
  if (typeof value === "object" && value !== undefined) {
    const { text, value: main, aliases } = value as Row;
    if (text !== undefined) return textsOf(text, [...path, "text"]);
    if (main !== undefined)
      return [...textsOf(main, [...path, "value"]), ...textsOf(aliases ?? [], [...path, "aliases"])];
  }
  throw new GoldError(path, "must be a text, a number or a list of them");
}

/** `["a", "b"]` as text, as PopQA has it. An answer that merely begins with a bracket is itself. */
function fromJson(text: string, path: (string | number)[]): string[] | undefined {
  if (!/^\s*\[\s*"/.test(text)) return undefined;
  try {
    return textsOf(JSON.parse(text), path);
  } catch {
    return undefined;
  }
}
