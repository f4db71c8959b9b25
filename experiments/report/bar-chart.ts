/** Shares as bars with their intervals, one row each, and a reference line through all of them. Pure. */
import type { SeedMean } from "./over-seeds.js";
import { figure, fix, line, scale, text } from "./svg.js";

export interface Bar {
  label: string;
  mean: SeedMean;
  /** a: the method, b: the alternative, c: the start. */
  color: "a" | "b" | "c";
}

const LEFT = 190;
const RIGHT = 60;
const WIDTH = 680;
const TOP = 36;
const ROW = 24;

/** `full`: the share at the right edge, for shares that are all small. */
export function barChart(title: string, bars: readonly Bar[], reference: number, full = 1): string {
  const bottom = TOP + bars.length * ROW;
  const x = scale(0, full, LEFT, WIDTH - RIGHT);
  return figure(WIDTH, bottom + 28, title, [
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((part) => {
      const tick = full * part;
      return [
        line("grid", x(tick), TOP, x(tick), bottom),
        text(x(tick), bottom + 18, `${fix(100 * tick)} %`, { anchor: "middle", soft: true }),
      ];
    }),
    ...bars.flatMap(({ label, mean, color }, i) => {
      const y = TOP + i * ROW + 4;
      const middle = y + (ROW - 8) / 2;
      return [
        text(LEFT - 8, middle + 4, label, { anchor: "end" }),
        `<rect class="${color}" x="${fix(x(0))}" y="${y}" width="${fix(x(mean.value) - x(0))}" height="${ROW - 8}" rx="2"/>`,
        line("whisker", x(mean.low), middle, x(mean.high), middle),
        text(WIDTH - RIGHT + 10, middle + 4, (100 * mean.value).toFixed(1)),
      ];
    }),
    line("reference", x(reference), TOP, x(reference), bottom),
  ]);
}
