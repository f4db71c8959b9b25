/** JSON files of a run: written atomically, checked when read, and never a raw SyntaxError. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { writeFileAtomic } from "./atomic-write.js";

/**
 * Writes `value` as indented JSON, atomically (see {@link writeFileAtomic}).
 *
 * @throws the file system's own error (ENOENT, ENOSPC, …). The file is then unchanged.
 */
export async function writeJson(file: string, value: unknown): Promise<void> {
  const text = ofArguments("writeJson", "(file, a value that JSON can hold)", () =>
    JSON.stringify(value, null, 2),
  );
  await writeFileAtomic(file, `${text}\n`);
}

/** JSON.parse that accepts the byte-order mark of Windows editors. @throws SyntaxError */
export function parseJsonText(text: string): unknown {
  return JSON.parse(text.startsWith("\ufeff") ? text.slice(1) : text);
}

/**
 * Reads and checks a JSON file. Undefined when it does not exist.
 *
 * @throws SwirlError RECORD, with `remedy`, for a file that cannot be read, is damaged or holds something else.
 */
export async function readJson<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  remedy: string,
): Promise<z.output<Schema> | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new SwirlError("RECORD", `${file}: cannot be read (${message})`, {
      remedy,
      details: { file },
      cause,
    });
  }
  let value: unknown;
  try {
    value = parseJsonText(text);
  } catch (cause) {
    throw new SwirlError("RECORD", `${file}: not JSON (${(cause as Error).message})`, {
      remedy,
      details: { file },
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.join(".");
  throw new SwirlError("RECORD", `${file}: ${field || "the whole file"}: ${issue.message}`, {
    remedy,
    details: { file, field },
  });
}
