/**
 * The weights of a new adapter: A Kaiming-uniform with a = √5, which is uniform in ±1/√in, and B zero, as in PEFT.
 * Numbers are a pure function of (seed, matrix, element): neither the rank nor which other matrices have an adapter
 * changes a row of A.
 */
import { philox, STREAM } from "../../random/counter-random.js";
import type { Projection } from "./projections.js";

/** Rows of A, row-major. `index`: position of the matrix among all that could have an adapter. */
export function initialA(
  { in: columns }: Projection,
  index: number,
  rank: number,
  seed: number,
): Float32Array {
  const bound = 1 / Math.sqrt(columns);
  const key = [seed >>> 0, Math.floor(seed / 0x1_0000_0000) >>> 0] as const;
  const values = new Float32Array(rank * columns);
  for (let first = 0; first < values.length; first += 4) {
    const words = philox([first / 4, index, STREAM.lora, 0], key);
    for (let i = 0; i < 4 && first + i < values.length; i++)
      values[first + i] = (((words[i]! >>> 8) + 0.5) / 2 ** 23 - 1) * bound;
  }
  return values;
}
