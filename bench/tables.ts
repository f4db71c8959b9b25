/** Markdown tables, aligned so that they read well in a terminal too. */
import type { Spread } from "./spread.js";
import { shown } from "./spread.js";

export function table(head: string[], rows: string[][]): string {
  const widths = head.map((cell, i) =>
    Math.max(...[cell, ...rows.map((row) => row[i]!)].map((text) => [...text].length)),
  );
  const line = (cells: string[]) =>
    `| ${cells.map((cell, i) => cell + " ".repeat(widths[i]! - [...cell].length)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** "16.1× (15.4–16.1)". */
export function ratio(of: Spread): string {
  return shown(of).replace(" ", "× ");
}

export function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
