/**
 * The arguments of a call as the JSON text of an object. Models and servers write them in several ways: nothing, "" and
 * null mean no arguments; a string that holds the JSON is unwrapped. Key order and large numbers are preserved.
 */
import { readJson } from "../messages/json-text.js";

/** A parsed JSON value that keeps its source text. */
export interface Written {
  /** Its JSON without spaces; keys and digits are unchanged. */
  raw: string;
  string?: string;
  fields?: Map<string, Written>;
  items?: Written[];
}

/** The JSON value that begins at `start`, and where it ends. Undefined too where an object has a key twice. */
export function readWritten(text: string, start = 0): { value: Written; end: number } | undefined {
  let twice = false;
  const read = readJson<Written>(
    text,
    {
      string: (string) => ({ raw: JSON.stringify(string), string }),
      number: (raw) => ({ raw }),
      literal: (value) => ({ raw: String(value) }),
      list: (items) => ({ raw: `[${items.map(({ raw }) => raw).join(",")}]`, items }),
      object: (entries) => {
        const fields = new Map(entries);
        twice ||= fields.size < entries.length;
        const parts = [...fields].map(([key, { raw }]) => `${JSON.stringify(key)}:${raw}`);
        return { raw: `{${parts.join(",")}}`, fields };
      },
    },
    start,
  );
  return twice ? undefined : read;
}

/** Undefined when the value is neither a JSON object nor a string that holds one. */
export function argumentsText(written: Written | undefined): string | undefined {
  let value = written;
  // Some servers encode twice. Deeper nesting than three is not a call.
  for (let depth = 0; depth < 3; depth++) {
    if (value === undefined || value.raw === "null") return "{}";
    if (value.fields) return value.raw;
    if (value.string === undefined) return undefined;
    if (value.string.trim() === "") return "{}";
    const inner = readWritten(value.string);
    if (!inner || value.string.slice(inner.end).trim() !== "") return undefined;
    value = inner.value;
  }
  return undefined;
}
