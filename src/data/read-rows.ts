/** Rows of one dataset file, checked against the dataset's schema. */
import { basename } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import { parseRecord } from "../files/jsonl-reader.js";
import type { Format } from "./formats/format.js";
import { FORMAT_NAMES, FORMATS, type FormatName, recogniseFormat } from "./formats/index.js";
import { readJsonRows } from "./json-rows.js";

export interface DatasetRow {
  /** The row, as the format's schema parses it. */
  row: unknown;
  format: Format;
  line: number;
  /** Names the row by file and place: "gsm8k-train-17" for the 17th row of train.jsonl. */
  fallbackId: string;
}

/** @throws SwirlError RECORD naming file, line and field; CONFIG for an unknown format. */
export async function* readRows(
  file: string,
  name?: FormatName,
): AsyncGenerator<DatasetRow, void, undefined> {
  if (name !== undefined && !FORMAT_NAMES.includes(name)) {
    throw new SwirlError("CONFIG", `unknown dataset ${JSON.stringify(name)}`, {
      remedy: `use one of ${FORMAT_NAMES.join(", ")}`,
      details: { field: "format" },
    });
  }
  const stem = basename(file)
    .replace(/\.gz$/, "")
    .replace(/\.[^.]*$/, "");
  let known = name;
  let count = 0;
  for await (const { value, line } of readJsonRows(file)) {
    known ??= recogniseFormat(value) ?? unrecognised(file, line);
    const format = FORMATS[known];
    const row = parseRecord(value, format.schema, { what: known, file, line });
    const label = stem.includes(known) ? stem : `${known}-${stem}`;
    yield { row, format, line, fallbackId: `${label}-${++count}` };
  }
}

function unrecognised(file: string, line: number): never {
  throw new SwirlError("RECORD", `${file}:${line}: a row that fits no known dataset`, {
    remedy: `name its dataset: ${FORMAT_NAMES.join(", ")}; a jsonl row has "question" and "answers"`,
    details: { file, line, field: "question" },
  });
}
