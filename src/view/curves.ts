/** The numbers of metrics.jsonl as columns, one per metric. */
import { JsonlTail } from "./jsonl-tail.js";

/** Maximum rows per response. A longer log is thinned evenly, keeping its last row. */
const MOST_ROWS = 4000;
/** Maximum metrics that are kept: a log with more is not one of ours. */
const MOST_KEYS = 200;

export interface CurveData {
  /** Changes when the log was replaced: rows sent before are no longer valid. */
  generation: number;
  /** Index of the first row in the columns. */
  from: number;
  /** Total number of rows. */
  rows: number;
  /** One number per row; null where the row has none. `step` is among them. */
  columns: Record<string, (number | null)[]>;
}

export class Curves {
  readonly tail: JsonlTail;
  damaged = 0;
  #generation = 1;
  #rows = 0;
  #columns = new Map<string, (number | null)[]>();

  constructor(file: string) {
    this.tail = new JsonlTail(file, {
      onRecord: (value) => this.#add(value),
      onDamaged: () => this.damaged++,
      onReset: () => {
        this.#generation++;
        this.#rows = 0;
        this.#columns.clear();
        this.damaged = 0;
      },
    });
  }

  get rows(): number {
    return this.#rows;
  }

  /** The last value of a metric that is a number. */
  last(key: string): number | undefined {
    return this.#columns.get(key)?.findLast((value) => value !== null) ?? undefined;
  }

  data(from: number): CurveData {
    const start = from >= 0 && from <= this.#rows ? from : 0;
    const count = this.#rows - start;
    const stride = Math.max(1, Math.ceil(count / MOST_ROWS));
    const picked = Array.from({ length: count }, (_, i) => start + i).filter(
      (row) => (row - start) % stride === 0 || row === this.#rows - 1,
    );
    const columns: CurveData["columns"] = {};
    for (const [key, values] of this.#columns) columns[key] = picked.map((row) => values[row] ?? null);
    return { generation: this.#generation, from: start, rows: this.#rows, columns };
  }

  #add(value: unknown): void {
    if (
      typeof value !== "object" ||
      value === null ||
      typeof (value as { step?: unknown }).step !== "number"
    ) {
      this.damaged++;
      return;
    }
    for (const [key, number] of Object.entries(value)) {
      if (typeof number !== "number" || !Number.isFinite(number)) continue;
      let column = this.#columns.get(key);
      if (!column) {
        if (this.#columns.size >= MOST_KEYS) continue;
        column = [];
        this.#columns.set(key, column);
      }
      while (column.length < this.#rows) column.push(null);
      column.push(number);
    }
    this.#rows++;
  }
}
