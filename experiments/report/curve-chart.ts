/** Shares with their intervals over a few settings of one thing, evenly spaced, and a reference line. Pure. */
import type { SeedMean } from "./over-seeds.js";
import { figure, fix, line, scale, text } from "./svg.js";

export interface CurvePoint {
  label: string;
  mean: SeedMean;
}

const WIDTH = 460;
const HEIGHT = 260;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 24, 36, 52];

export function curveChart(
  title: string,
  axis: string,
  points: readonly CurvePoint[],
  reference: { value: number; label: string },
): string {
  const values = [reference.value, ...points.flatMap(({ mean }) => [mean.value, mean.low, mean.high])];
  const finite = values.filter(Number.isFinite);
  const low = Math.max(0, Math.floor(10 * Math.min(...finite) - 0.2) / 10);
  const high = Math.min(1, Math.ceil(10 * Math.max(...finite) + 0.2) / 10);
  const y = scale(low, high, HEIGHT - BOTTOM, TOP);
  const space = (WIDTH - LEFT - RIGHT) / points.length;
  const x = (i: number) => LEFT + (i + 0.5) * space;
  const ticks = Array.from({ length: 5 }, (_, i) => low + ((high - low) * i) / 4);
  return figure(WIDTH, HEIGHT, title, [
    ...ticks.flatMap((tick) => [
      line("grid", LEFT, y(tick), WIDTH - RIGHT, y(tick)),
      text(LEFT - 6, y(tick) + 4, `${(100 * tick).toFixed(0)} %`, { anchor: "end", soft: true }),
    ]),
    line("reference", LEFT, y(reference.value), WIDTH - RIGHT, y(reference.value)),
    text(WIDTH - RIGHT, y(reference.value) - 4, reference.label, { anchor: "end", soft: true }),
    `<path class="line" d="${points.map(({ mean }, i) => `${i === 0 ? "M" : "L"}${fix(x(i))} ${fix(y(mean.value))}`).join("")}"/>`,
    ...points.flatMap(({ label, mean }, i) => [
      line("whisker", x(i), y(mean.low), x(i), y(mean.high)),
      `<circle class="a" cx="${fix(x(i))}" cy="${fix(y(mean.value))}" r="4"/>`,
      text(x(i) + 8, y(mean.value) - 6, (100 * mean.value).toFixed(1)),
      text(x(i), HEIGHT - BOTTOM + 18, label, { anchor: "middle", soft: true }),
    ]),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, axis, { anchor: "middle", soft: true }),
  ]);
}
