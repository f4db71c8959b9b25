/** Numbers and tables as Markdown. */
import type { SeedMean } from "./over-seeds.js";

export function percent(share: number): string {
  return (100 * share).toFixed(1).replace("-", "−");
}

function signed(share: number): string {
  return `${share >= 0 ? "+" : ""}${percent(share)}`;
}

/** 45.2 [43.1, 47.3] */
export function share({ value, low, high, n }: SeedMean): string {
  return n < 2 ? percent(value) : `${percent(value)} [${percent(low)}, ${percent(high)}]`;
}

/** +5.1 [+2.0, +8.2]; bold where the interval excludes 0. */
export function gain({ value, low, high, n }: SeedMean): string {
  if (n < 2) return signed(value);
  const text = `${signed(value)} [${signed(low)}, ${signed(high)}]`;
  return low > 0 || high < 0 ? `**${text}**` : text;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
