import { inspect } from "node:util";

/** The message of a thrown value. Anything can be thrown, even values that cannot be converted to a string. */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return String(thrown.message);
    return typeof thrown === "string" ? thrown : inspect(thrown, { depth: 1 }).slice(0, 500);
  } catch {
    return typeof thrown;
  }
}
