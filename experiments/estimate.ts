/** How long the rest of a study will take: jobs of one kind are assumed to take as long as those that are done. */
import type { Job, JobResult } from "./job.js";

export class Estimate {
  readonly #seconds = new Map<string, number[]>();

  constructor(results: readonly JobResult[]) {
    for (const result of results) this.add(result);
  }

  add({ id, work, seconds }: JobResult): void {
    for (const name of [id, work.kind]) {
      const known = this.#seconds.get(name) ?? [];
      known.push(seconds);
      this.#seconds.set(name, known);
    }
  }

  /** Undefined while no job of some kind is done. */
  secondsLeft(jobs: readonly Job[], workers: number): number | undefined {
    let sum = 0;
    for (const { id, work } of jobs) {
      const known = this.#seconds.get(id) ?? this.#seconds.get(work.kind); // the same job of another seed is the best estimate
      if (!known) return undefined;
      sum += known.reduce((a, b) => a + b, 0) / known.length;
    }
    return sum / workers;
  }
}
