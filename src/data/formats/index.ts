/** The datasets by name. A row is compared with them in this order. */
import { beerqa } from "./beerqa.js";
import { cofca } from "./cofca.js";
import type { Format } from "./format.js";
import { gsm8k } from "./gsm8k.js";
import { hotpotqa } from "./hotpotqa.js";
import { jsonl } from "./jsonl.js";
import { musique } from "./musique.js";
import { twoWiki } from "./two-wiki.js";

/** Name of a dataset whose rows can be read. "jsonl" is `{ "id", "question", "answers" }` per line. */
export type FormatName = "gsm8k" | "musique" | "2wikimultihopqa" | "hotpotqa" | "beerqa" | "cofca" | "jsonl";

export const FORMATS = {
  gsm8k,
  musique,
  "2wikimultihopqa": twoWiki,
  hotpotqa,
  beerqa,
  cofca,
  jsonl,
} as const satisfies Record<FormatName, Format>;

/** Names of the datasets that can be read. */
export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

/** The dataset that a row looks like; undefined when it looks like no dataset. */
export function recogniseFormat(row: unknown): FormatName | undefined {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return undefined;
  return FORMAT_NAMES.find((name) => FORMATS[name].recognises(row as Record<string, unknown>));
}
