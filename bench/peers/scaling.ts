/**
 * How the time of our update grows: with G, and with K as c0 + c1·K + c2·K², next to the counted work. Attention is the
 * only quadratic work, so c2 over attention's own quadratic coefficient is the time of an operation of attention.
 */
import type { ModelConfig } from "../../src/native/addon.js";
import { flops, treeExtent } from "../flops.js";
import { makeTree, type Shape } from "../shape.js";
import type { Spread } from "../spread.js";
import { inTurns, type Op, type Participant, type TurnOptions } from "./turns.js";

export interface Point {
  size: number; // K or G
  treeTokens: number;
  work: number; // operations
  attention: number; // operations
  seconds: Spread;
}

export interface Fit {
  coefficients: [number, number, number]; // of 1, K, K²
  rSquared: number;
}

export interface Scaling {
  shape: Shape; // of which one size varies
  byG: Record<Op, Point[]>;
  /** Time of 2G over that of G, G the second last measured: 8 to 16 by default. */
  doublingG: Record<Op, { time: number; treeTokens: number }>;
  byK: Record<Op, Point[]>;
  timeAgainstK: Record<Op, Fit>;
  attentionAgainstK: Record<Op, Fit>;
  /** What c2 says attention does, in operations a second; null where time has no quadratic part. */
  impliedAttentionRate: Record<Op, number | null>;
}

export async function measureScaling(
  ours: Participant,
  model: ModelConfig,
  shape: Shape,
  sizes: { G: number[]; K: number[] },
  options: TurnOptions,
): Promise<Scaling> {
  const points = async (letter: "G" | "K", op: Op): Promise<Point[]> => {
    const found: Point[] = [];
    for (const size of sizes[letter]) {
      const { sequences } = makeTree({ ...shape, [letter]: size }, model.vocab);
      const extent = treeExtent(sequences);
      const { total, attention } = flops(model, extent, op);
      options.report(`scaling: ${letter}=${size}, ${extent.tokens} tree tokens`);
      const { seconds } = (await inTurns([ours], sequences, model, op, options)).get("ours")!;
      found.push({ size, treeTokens: extent.tokens, work: total, attention, seconds });
    }
    return found;
  };
  const both = async <T>(of: (op: Op) => Promise<T> | T): Promise<Record<Op, T>> => ({
    logprobs: await of("logprobs"),
    update: await of("update"),
  });
  const byG = await both((op) => points("G", op));
  const byK = await both((op) => points("K", op));
  const timeAgainstK = await both((op) =>
    quadraticFit(byK[op].map(({ size, seconds }) => [size, seconds.median])),
  );
  const attentionAgainstK = await both((op) =>
    quadraticFit(byK[op].map(({ size, attention }) => [size, attention])),
  );
  return {
    shape,
    byG,
    doublingG: await both((op) => {
      const [from, to] = [byG[op].at(-2)!, byG[op].at(-1)!];
      return { time: to.seconds.median / from.seconds.median, treeTokens: to.treeTokens / from.treeTokens };
    }),
    byK,
    timeAgainstK,
    attentionAgainstK,
    impliedAttentionRate: await both((op) => {
      const quadratic = timeAgainstK[op].coefficients[2];
      return quadratic > 0 ? attentionAgainstK[op].coefficients[2] / quadratic : null;
    }),
  };
}

/** Least squares of y on 1, x and x². */
export function quadraticFit(points: [x: number, y: number][]): Fit {
  const rows = points.map(([x]) => [1, x, x * x]);
  const sums = (i: number, j: number) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0);
  const matrix = [0, 1, 2].map((i) => [
    ...[0, 1, 2].map((j) => sums(i, j)),
    points.reduce((sum, [, y], at) => sum + rows[at]![i]! * y, 0),
  ]);
  const coefficients = solved(matrix) as Fit["coefficients"];
  const mean = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const predicted = (x: number) => coefficients[0] + coefficients[1] * x + coefficients[2] * x * x;
  const residual = points.reduce((sum, [x, y]) => sum + (y - predicted(x)) ** 2, 0);
  const total = points.reduce((sum, [, y]) => sum + (y - mean) ** 2, 0);
  return { coefficients, rSquared: 1 - residual / total };
}

/** Gauss-Jordan on [matrix | right side]. */
function solved(matrix: number[][]): number[] {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    const pivot = matrix
      .slice(column)
      .reduce((best, row) => (Math.abs(row[column]!) > Math.abs(best[column]!) ? row : best));
    const at = matrix.indexOf(pivot);
    [matrix[column], matrix[at]] = [pivot, matrix[column]!];
    for (const row of matrix) {
      if (row === pivot) continue;
      const factor = row[column]! / pivot[column]!;
      for (let j = column; j <= size; j++) row[j] = row[j]! - factor * pivot[j]!;
    }
  }
  return matrix.map((row, i) => row[size]! / row[i]!);
}
