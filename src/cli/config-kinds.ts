/** Shared by sections of the config: a section whose keys depend on its `kind`, and secrets named by variables. */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";

/** The environment variables that hold an endpoint's secrets: a config only names them. */
export const secretVariables = {
  apiKeyVariable: z.string().min(1).optional(),
  /** Header → variable: { "api-key": "AZURE_OPENAI_API_KEY" }. */
  headerVariables: z.record(z.string(), z.string().min(1)).optional(),
};

/** Picks the schema that `kind` names, so that the error for an unknown key lists that kind's keys. */
export function byKind(kinds: Record<string, z.ZodObject>, value: unknown, where: string): unknown {
  const kind = (value as { kind?: unknown } | null)?.kind;
  const schema = typeof kind === "string" && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (schema) return parseOptions(schema, value, where);
  throw new SwirlError("CONFIG", `${where}: kind is ${JSON.stringify(kind) ?? "missing"}`, {
    remedy: `kind is one of ${Object.keys(kinds).join(", ")}`,
    details: { field: `${where.replace("config ", "")}.kind` },
  });
}
