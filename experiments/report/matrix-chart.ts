/** Gains as a table of colored squares, stronger colors for larger gains; a dot where the interval excludes 0. Pure. */
import type { SeedMean } from "./over-seeds.js";
import { escapeXml, figure, fix, text } from "./svg.js";

const LEFT = 170;
const TOP = 58;
const CELL = { width: 118, height: 40 };

export function matrixChart(
  title: string,
  columns: readonly string[],
  rows: readonly { label: string; gains: readonly SeedMean[] }[],
): string {
  const largest = Math.max(0.01, ...rows.flatMap(({ gains }) => gains.map(({ value }) => Math.abs(value))));
  const width = LEFT + columns.length * CELL.width + 12;
  const height = TOP + rows.length * CELL.height + 26;
  return figure(width, height, title, [
    ...columns.map((column, j) =>
      text(LEFT + (j + 0.5) * CELL.width, TOP - 10, column, { anchor: "middle", soft: true }),
    ),
    ...rows.flatMap(({ label, gains }, i) => {
      const y = TOP + i * CELL.height;
      return [
        text(LEFT - 10, y + CELL.height / 2 + 4, label, { anchor: "end" }),
        ...gains.map(({ value, low, high }, j) => {
          const x = LEFT + j * CELL.width;
          const points = `${value >= 0 ? "+" : "−"}${Math.abs(100 * value).toFixed(1)}`;
          const sure = low > 0 || high < 0 ? " •" : "";
          return (
            `<rect class="${value >= 0 ? "a" : "b"}" opacity="${fix((0.7 * Math.abs(value)) / largest)}" x="${x + 2}" y="${y + 2}" ` +
            `width="${CELL.width - 4}" height="${CELL.height - 4}" rx="3"/>` +
            `<text text-anchor="middle" x="${fix(x + CELL.width / 2)}" y="${fix(y + CELL.height / 2 + 4)}">${escapeXml(points + sure)}</text>`
          );
        }),
      ];
    }),
    text(LEFT, height - 8, "points over the base; • the 95 % interval excludes 0", { soft: true }),
  ]);
}
