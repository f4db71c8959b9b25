/** The available results of a study, by seed and id. A seed counts once every job of it is there. */
import type { JobResult, JobWork } from "./job.js";

export class StudyResults {
  /** Seeds with every job done, ascending. */
  readonly seeds: readonly number[];
  /** Seeds that are begun and not done. */
  readonly partial: readonly number[];
  readonly all: readonly JobResult[];
  readonly #byId: Map<string, JobResult>;

  constructor(results: readonly JobResult[], cellsPerSeed: number) {
    this.#byId = new Map(results.map((result) => [nameOf(result.seed, result.id), result]));
    const counts = new Map<number, number>();
    for (const { seed } of results) counts.set(seed, (counts.get(seed) ?? 0) + 1);
    const sorted = [...counts.keys()].sort((a, b) => a - b);
    this.seeds = sorted.filter((seed) => counts.get(seed) === cellsPerSeed);
    this.partial = sorted.filter((seed) => counts.get(seed) !== cellsPerSeed);
    this.all = results.filter((result) => this.seeds.includes(result.seed));
  }

  get<Kind extends JobWork["kind"]>(seed: number, id: string, kind: Kind): JobResult<Kind> {
    const result = this.#byId.get(nameOf(seed, id));
    if (result?.work.kind !== kind) throw new Error(`no ${kind} job ${id} of seed ${seed}`);
    return result as JobResult<Kind>;
  }
}

function nameOf(seed: number, id: string): string {
  return `${seed} ${id}`;
}
