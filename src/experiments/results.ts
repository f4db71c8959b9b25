/** The results of a study at hand, by seed and id. A seed counts once every cell of it is there. */
import type { CellResult, CellWork } from "./cell.js";

export class StudyResults {
  /** Seeds with every cell done, ascending. */
  readonly seeds: readonly number[];
  /** Seeds that are begun and not done. */
  readonly partial: readonly number[];
  readonly all: readonly CellResult[];
  readonly #byId: Map<string, CellResult>;

  constructor(results: readonly CellResult[], cellsPerSeed: number) {
    this.#byId = new Map(results.map((result) => [nameOf(result.seed, result.id), result]));
    const counts = new Map<number, number>();
    for (const { seed } of results) counts.set(seed, (counts.get(seed) ?? 0) + 1);
    const sorted = [...counts.keys()].sort((a, b) => a - b);
    this.seeds = sorted.filter((seed) => counts.get(seed) === cellsPerSeed);
    this.partial = sorted.filter((seed) => counts.get(seed) !== cellsPerSeed);
    this.all = results.filter((result) => this.seeds.includes(result.seed));
  }

  get<Kind extends CellWork["kind"]>(seed: number, id: string, kind: Kind): CellResult<Kind> {
    const result = this.#byId.get(nameOf(seed, id));
    if (result?.work.kind !== kind) throw new Error(`no ${kind} cell ${id} of seed ${seed}`);
    return result as CellResult<Kind>;
  }
}

function nameOf(seed: number, id: string): string {
  return `${seed} ${id}`;
}
