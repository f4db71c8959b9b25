/**
 * Passages to search, from a corpus file or from the contexts of a dataset's rows, each distinct one once:
 *   [{ title, text }]          JSON array or JSONL
 *   { title: [sentences] }     HotpotQA's corpus
 *   rows of HotpotQA, 2WikiMultiHopQA, MuSiQue, BeerQA, CofCA with their contexts
 */

import { createHash } from "node:crypto";
import { z } from "zod";
import { ofArgumentsEach } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { byteStream } from "../files/byte-stream.js";
import { parseRecord } from "../files/jsonl-reader.js";
import { joinSentences } from "./formats/context.js";
import type { Format } from "./formats/format.js";
import { FORMATS, recogniseFormat } from "./formats/index.js";
import { readJsonRows } from "./json-rows.js";
import type { Passage } from "./passage.js";

const passageSchema = z.object({
  title: z.string().default(""),
  text: z.union([z.string(), z.array(z.string())]),
});

/**
 * Reads the passages of corpus files or of dataset rows, each distinct passage once. Empty ones are left out.
 *
 * @param files One path or several: JSON, JSONL or Parquet. JSON may be compressed with gzip.
 * @throws SwirlError RECORD naming file, line and field.
 * @example
 * for await (const passage of readPassages("corpus.jsonl")) console.log(passage.title);
 */
export async function* readPassages(
  files: string | readonly string[],
): AsyncGenerator<Passage, void, undefined> {
  yield* ofArgumentsEach("readPassages", "a file or files", async function* () {
    const seen = new Set<string>();
    for (const file of typeof files === "string" ? [files] : files) {
      for await (const passage of filePassages(file)) {
        const key = createHash("sha1").update(`${passage.title}\n${passage.text}`).digest("base64");
        if (passage.text === "" || seen.has(key)) continue;
        seen.add(key);
        yield passage;
      }
    }
  });
}

async function* filePassages(file: string): AsyncGenerator<Passage, void, undefined> {
  let first = true;
  let format: Format | undefined;
  try {
    for await (const { value, line } of readJsonRows(file)) {
      if (first && isTitleMap(value)) return yield* titlePassages(value);
      if (first) format = contextFormat(value);
      first = false;
      if (format?.passages) {
        yield* format.passages(parseRecord(value, format.schema, { what: format.name, file, line }));
        continue;
      }
      const { title, text } = parseRecord(value, passageSchema, { what: "passage", file, line });
      yield { title, text: joinSentences(text) };
    }
  } catch (error) {
    // An object printed over several lines is not JSONL: it may be a map of titles.
    const map = first ? await readTitleMap(file) : undefined;
    if (!map) throw error;
    yield* titlePassages(map);
  }
}

function contextFormat(value: unknown): Format | undefined {
  if (typeof value === "object" && value !== null && "text" in value) return undefined;
  const name = recogniseFormat(value);
  return name && FORMATS[name];
}

function isTitleMap(value: unknown): value is Record<string, string[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const texts = Object.values(value);
  return (
    texts.length > 0 &&
    texts.every((text) => Array.isArray(text) && text.every((part) => typeof part === "string"))
  );
}

function* titlePassages(map: Record<string, string[]>): Generator<Passage, void, undefined> {
  for (const [title, sentences] of Object.entries(map)) yield { title, text: joinSentences(sentences) };
}

async function readTitleMap(file: string): Promise<Record<string, string[]> | undefined> {
  try {
    const parts: Buffer[] = [];
    for await (const part of byteStream(file)) parts.push(part);
    const value: unknown = JSON.parse(Buffer.concat(parts).toString("utf8"));
    return isTitleMap(value) ? value : undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_STRING_TOO_LONG") {
      throw new SwirlError("RECORD", `${file}: too large for one JSON object`, {
        remedy: "write it as JSONL, one {title, text} per line",
        details: { file },
      });
    }
    return undefined;
  }
}
