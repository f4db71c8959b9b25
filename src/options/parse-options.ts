/**
 * Validates one options object of a stage. Every problem is named at once, an unknown key with the nearest known
 * one, and thrown as a CONFIG error: a key that is misspelt would otherwise silently do nothing.
 */

import type { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import { nearestName } from "./nearest-names.js";

export function parseOptions<Schema extends z.ZodObject>(
  schema: Schema,
  options: unknown,
  stage: string,
): z.output<Schema> {
  const parsed = ofArguments(
    stage,
    "options whose values can be read",
    () => schema.safeParse(options ?? {}),
    "CONFIG",
  );
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape);
  const lines = parsed.error.issues.flatMap((issue) => {
    const path = issue.path.join(".");
    if (issue.code !== "unrecognized_keys")
      return [`${path || "options"}: ${issue.message}${given(options, issue.path)}`];
    return issue.keys.map((key) => {
      const near = issue.path.length === 0 ? nearestName(key, known) : undefined;
      return `${path ? `${path}.` : ""}${key}: unknown option${near ? ` (did you mean ${near}?)` : ""}`;
    });
  });
  const { issues } = parsed.error;
  const [first] = issues;
  const field = first?.code === "unrecognized_keys" ? [...first.path, first.keys[0]] : first?.path;
  throw new SwirlError("CONFIG", `${stage}: ${lines.join("; ")}`, {
    // The list of keys helps with an unknown one; it would bury the message about a wrong value.
    ...(issues.some(({ code }) => code === "unrecognized_keys") && {
      remedy: `${stage} takes: ${known.join(", ")}`,
    }),
    details: { field: field?.join(".") ?? "" },
  });
}

/** The offending value without secrets, shortened; nothing for a value that is secret by its key. */
function given(options: unknown, path: readonly PropertyKey[]): string {
  let value = options;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (value === undefined || /key|token$|secret|password|headers/i.test(path.map(String).join(".")))
    return "";
  if (typeof value === "object" || typeof value === "function") return "";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return ` (got ${redactText(text).slice(0, 80)})`;
}
