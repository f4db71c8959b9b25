import { inspect } from "node:util";

/** What a thrown value says. Anything can be thrown, also what cannot become a text by itself. */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return String(thrown.message);
    return typeof thrown === "string" ? thrown : inspect(thrown, { depth: 1 }).slice(0, 500);
  } catch {
    return typeof thrown;
  }
}
