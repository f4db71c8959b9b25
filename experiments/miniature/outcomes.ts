/** Accuracies and labels of the miniature's arms, seed by seed, and their summaries over seeds. */
import type { Share } from "../job.js";
import { overSeeds, type SeedMean } from "../report/over-seeds.js";
import type { StudyResults } from "../results.js";
import { measured, NEAR } from "./arms.js";
import type { HeldOut } from "./testbed.js";

/** One list of held-out questions, or both that are like the training questions. */
export type Where = HeldOut | "near" | "near, greedy";

export class Outcomes {
  constructor(readonly results: StudyResults) {}

  accuracy(arm: string, where: Where): SeedMean {
    return overSeeds(this.#accuracies(arm, where));
  }

  /** Of one seed, both kinds pooled. */
  accuracyOf(arm: string, seed: number): number {
    return this.#accuracies(arm, "near")[this.results.seeds.indexOf(seed)]!;
  }

  /** arm − other, paired by seed. */
  difference(arm: string, other: string, where: Where): SeedMean {
    const before = this.#accuracies(other, where);
    return overSeeds(this.#accuracies(arm, where).map((value, i) => value - before[i]!));
  }

  /** Share of steps that a judge calls GOOD, on the questions like the training questions. */
  label(arm: string, judge: string): SeedMean {
    return overSeeds(this.#labels(arm, judge));
  }
  labelDifference(arm: string, other: string, judge: string): SeedMean {
    const before = this.#labels(other, judge);
    return overSeeds(this.#labels(arm, judge).map((value, i) => value - before[i]!));
  }

  #accuracies(arm: string, where: Where): number[] {
    return this.#shares(arm, where, ({ correct }) => correct);
  }
  #labels(arm: string, judge: string): number[] {
    return this.#shares(arm, "near", ({ labels }) => labels[judge]!);
  }

  /** One for each seed; the lists of "near" are equally long, so that pooling them is fair. */
  #shares(
    arm: string,
    where: Where,
    of: (figures: { correct: Share; labels: Record<string, Share> }) => Share,
  ): number[] {
    const greedy = where === "near, greedy";
    const lists: readonly HeldOut[] = greedy || where === "near" ? NEAR : [where];
    return this.results.seeds.map((seed) => {
      const shares = lists.map((list) =>
        of(this.results.get(seed, measured(arm, list, greedy), "measure").figures),
      );
      return sum(shares.map(({ count }) => count)) / sum(shares.map((share) => share.of));
    });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
