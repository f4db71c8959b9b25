/**
 * Reads JSONL as an async iterable, one record in memory at a time. Every error names file, line and field.
 * A last line without its newline that is not JSON is a torn write: an error here, unless the caller takes `onTorn`.
 */
import type { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { byteStream } from "./byte-stream.js";

/** A record larger than this is refused before it is parsed. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
const NEWLINE = 0x0a;

export interface JsonlLine {
  value: unknown;
  line: number; // 1-based
}

/** A last line that a killed process left unfinished. */
export interface TornLine {
  /** Path of the file. */
  file: string;
  /** Number of the line, from 1. */
  line: number;
  /** What the line holds. */
  text: string;
}

export async function* readJsonLines(
  file: string,
  options: {
    onTorn?: (torn: TornLine) => void;
    /** The file's content, where the caller has begun to read it. */
    bytes?: AsyncIterable<Buffer>;
  } = {},
): AsyncGenerator<JsonlLine, void, undefined> {
  for await (const { text, line, complete } of lines(file, options.bytes ?? byteStream(file))) {
    if (text.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      if (!complete && options.onTorn) {
        options.onTorn({ file, line, text });
        return;
      }
      throw new SwirlError(
        "RECORD",
        `${file}:${line}: ${complete ? "not JSON" : "the last line is cut off"} (${(cause as Error).message})`,
        {
          remedy: complete
            ? "correct or delete this line; the others are unaffected"
            : "the run that wrote it was stopped while writing: resume that run, or delete the last line",
          details: { file, line },
          cause,
        },
      );
    }
    yield { value, line };
  }
}

export async function* readRecords<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  options: { what: string; version?: number; onTorn?: (torn: TornLine) => void },
): AsyncGenerator<z.output<Schema>, void, undefined> {
  for await (const { value, line } of readJsonLines(file, options)) {
    yield parseRecord(value, schema, { ...options, file, line });
  }
}

export function parseRecord<Schema extends z.ZodType>(
  value: unknown,
  schema: Schema,
  where: { what: string; version?: number; file: string; line: number },
): z.output<Schema> {
  const { what, version, file, line } = where;
  const found =
    typeof value === "object" && value !== null ? (value as { version?: unknown }).version : undefined;
  if (version !== undefined && found !== version) {
    const named = found === undefined ? "no version" : `version ${JSON.stringify(found)}`;
    throw new SwirlError(
      "RECORD",
      `${file}:${line}: a ${what} file of another version: ${named}, this package reads ${version}`,
      {
        remedy:
          typeof found === "number" && found > version
            ? "it was written by a newer swirl-rl: update the package"
            : `write it again with this package, or add "version": ${version} where the fields already agree`,
        details: { file, line, field: "version" },
      },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]] : issue.path;
  const field = path.join(".");
  throw new SwirlError(
    "RECORD",
    `${file}:${line}: ${what} field ${field || "(whole record)"}: ${issue.message}`,
    {
      remedy: "correct this line, or leave it out",
      details: { file, line, field },
    },
  );
}

interface Line {
  text: string;
  line: number;
  complete: boolean; // ended by its newline
}

async function* lines(file: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<Line, void, undefined> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let line = 0;
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const text = Buffer.concat([...rest, chunk.subarray(start, end)]).toString("utf8");
      rest = [];
      restBytes = 0;
      start = end + 1;
      yield { text, line: ++line, complete: true };
    }
    rest.push(chunk.subarray(start));
    restBytes += chunk.byteLength - start;
    if (restBytes > MAX_LINE_BYTES) {
      throw new SwirlError("RECORD", `${file}:${line + 1}: a line of more than ${MAX_LINE_BYTES} bytes`, {
        remedy: "is this a JSONL file, one object per line?",
        details: { file, line: line + 1 },
      });
    }
  }
  if (restBytes > 0) yield { text: Buffer.concat(rest).toString("utf8"), line: line + 1, complete: false };
}
