import type { z } from "zod";

/** The keys of an object schema that have a default, with it. Records of a version without such a key meant that value. */
export function defaultsOf(schema: z.ZodObject): Record<string, unknown> {
  const entries = Object.entries(schema.shape).flatMap(([key, field]) => {
    const { success, data } = (field as z.ZodType).safeParse(undefined);
    return success && data !== undefined ? [[key, data] as const] : [];
  });
  return Object.fromEntries(entries);
}
