/**
 * Charts as inline SVG strings: no script, no style sheet. Colors are CSS variables of the page (see
 * report-html.ts), so that both color schemes work. Pure.
 */

const WIDTH = 460;
const HEIGHT = 190;
const MAX_POINTS = 1000;
/** Places on a curve that show their values when pointed at. */
const MAX_TIPS = 100;
const MARGIN = { left: 46, right: 14, top: 10, bottom: 24 };

/** A curve over training steps: the values in a faint color, their running mean over a tenth of the run in full. */
export function lineChart(all: readonly { x: number; y: number }[], title: string): string {
  const smooth = runningMean(
    all.map((point) => point.y),
    Math.max(1, Math.round(all.length / 10)),
  );
  // More points than pixels would only slow the page down.
  const points = thin(all, MAX_POINTS);
  const mean = thin(smooth, MAX_POINTS);
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  const yTicks = niceTicks(Math.min(...ys), Math.max(...ys), 4);
  const xTicks = niceTicks(Math.min(...xs), Math.max(...xs), 5).filter(
    (tick) => tick >= Math.min(...xs) && tick <= Math.max(...xs),
  );
  const x = scale(Math.min(...xs), Math.max(...xs), MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(yTicks[0]!, yTicks.at(-1)!, HEIGHT - MARGIN.bottom, MARGIN.top);
  const path = (values: readonly number[]) =>
    values.map((value, i) => `${i === 0 ? "M" : "L"}${fix(x(xs[i]!))} ${fix(y(value))}`).join("");
  const last = mean.at(-1)!;
  return svg(WIDTH, HEIGHT, title, [
    ...yTicks.map(
      (tick) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${fix(y(tick))}" y2="${fix(y(tick))}"/>` +
        `<text class="tick" text-anchor="end" x="${MARGIN.left - 6}" y="${fix(y(tick) + 3.5)}">${formatTick(tick, yTicks)}</text>`,
    ),
    ...xTicks.map(
      (tick) =>
        `<text class="tick" text-anchor="middle" x="${fix(x(tick))}" y="${HEIGHT - 7}">${formatTick(tick, xTicks)}</text>`,
    ),
    `<path class="raw" d="${path(ys)}"/>`,
    `<path class="mean" d="${path(mean)}"/>`,
    `<circle class="dot" r="3" cx="${fix(x(xs.at(-1)!))}" cy="${fix(y(last))}"/>`,
    ...tips(all, smooth, x, y),
  ]);
}

/** Columns that show update, value and running mean when the pointer is over them. CSS does it: there is no script. */
function tips(
  all: readonly { x: number; y: number }[],
  smooth: readonly number[],
  x: (value: number) => number,
  y: (value: number) => number,
): string[] {
  const places = thin(
    all.map((point, i) => ({ ...point, mean: smooth[i]! })),
    MAX_TIPS,
  );
  const height = HEIGHT - MARGIN.bottom - MARGIN.top;
  return places.map((point, i) => {
    const at = x(point.x);
    const left = i === 0 ? MARGIN.left : (x(places[i - 1]!.x) + at) / 2;
    const right = i === places.length - 1 ? WIDTH - MARGIN.right : (at + x(places[i + 1]!.x)) / 2;
    const text = `${point.x}: ${short(point.y)}, mean ${short(point.mean)}`;
    const [anchor, place] = at > WIDTH / 2 ? (["end", at - 6] as const) : (["start", at + 6] as const);
    return (
      `<g class="at"><rect x="${fix(left)}" y="${MARGIN.top}" width="${fix(Math.max(0.1, right - left))}" height="${height}"/>` +
      `<line x1="${fix(at)}" x2="${fix(at)}" y1="${MARGIN.top}" y2="${MARGIN.top + height}"/>` +
      `<circle r="3" cx="${fix(at)}" cy="${fix(y(point.y))}"/>` +
      `<text text-anchor="${anchor}" x="${fix(place)}" y="${MARGIN.top + 10}">${text}</text></g>`
    );
  });
}

function short(value: number): string {
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

export interface IntervalRow {
  label: string;
  value: number; // 0 … 1
  low: number;
  high: number;
}

/** Shares with their 95 % intervals on one axis of 0 … 100 %. */
export function intervalChart(rows: readonly IntervalRow[], title: string): string {
  const left = 110;
  const right = 62;
  const width = 560;
  const rowHeight = 30;
  const height = rows.length * rowHeight + 26;
  const x = scale(0, 1, left, width - right);
  return svg(width, height, title, [
    ...[0, 0.25, 0.5, 0.75, 1].map(
      (tick) =>
        `<line class="grid" x1="${fix(x(tick))}" x2="${fix(x(tick))}" y1="4" y2="${height - 22}"/>` +
        `<text class="tick" text-anchor="middle" x="${fix(x(tick))}" y="${height - 7}">${tick * 100}%</text>`,
    ),
    ...rows.map((row, i) => {
      const middle = i * rowHeight + rowHeight / 2 + 4;
      return (
        `<text class="label" text-anchor="end" x="${left - 12}" y="${middle + 4}">${escapeXml(row.label)}</text>` +
        `<line class="whisker" x1="${fix(x(row.low))}" x2="${fix(x(row.high))}" y1="${middle}" y2="${middle}"/>` +
        `<circle class="dot" r="5" cx="${fix(x(row.value))}" cy="${middle}"/>` +
        `<text class="value" x="${width - right + 12}" y="${middle + 4}">${(100 * row.value).toFixed(1)}%</text>`
      );
    }),
  ]);
}

/** Mean of each value and up to `window - 1` before it. */
export function runningMean(values: readonly number[], window: number): number[] {
  let sum = 0;
  return values.map((value, i) => {
    sum += value - (i >= window ? values[i - window]! : 0);
    return sum / Math.min(i + 1, window);
  });
}

/** At most `limit` of the items, evenly spread, the first and the last among them. */
export function thin<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items];
  return Array.from({ length: limit }, (_, i) => items[Math.round((i * (items.length - 1)) / (limit - 1))]!);
}

/** Round numbers that span [low, high], about `count` steps; at least two, also when low = high. */
export function niceTicks(low: number, high: number, count: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10]
    .map((factor) => factor * power)
    .find((candidate) => candidate >= rough * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function scale(from: number, to: number, start: number, end: number): (value: number) => number {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

/** As many decimals as distinguish neighboring ticks; exponents where the numbers are very small or large. */
function formatTick(tick: number, ticks: readonly number[]): string {
  const step = Math.abs((ticks[1] ?? tick + 1) - ticks[0]!);
  const largest = Math.max(...ticks.map(Math.abs));
  if (tick !== 0 && (largest >= 1e6 || largest < 1e-3)) return tick.toExponential(1).replace("e+", "e");
  const decimals = Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  const needed =
    [decimals, decimals + 1].find((d) => Math.abs(Number(step.toFixed(d)) - step) < step * 1e-6) ?? decimals;
  return tick.toFixed(needed).replace("-", "−");
}

function svg(width: number, height: number, title: string, parts: readonly string[]): string {
  const name = escapeXml(title);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${name}"><title>${name}</title>${parts.join("")}</svg>`;
}

function fix(value: number): string {
  return String(Math.round(value * 10) / 10);
}
