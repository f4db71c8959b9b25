/** The figures of docs/results/learning.md. */
import { barChart } from "../report/bar-chart.js";
import { curveChart } from "../report/curve-chart.js";
import { matrixChart } from "../report/matrix-chart.js";
import { BASE, FILTERS, GROUP_SIZES, groupArm, SWIRL, WRONG, wrongArm } from "./arms.js";
import type { Outcomes } from "./outcomes.js";
import type { MiniatureSettings } from "./settings.js";
import { HELD_OUT } from "./testbed.js";

export function miniatureFigures(outcomes: Outcomes, settings: MiniatureSettings): Record<string, string> {
  const near = (arm: string) => outcomes.accuracy(arm, "near");
  const base = near(BASE);
  const reference = { value: base.value, label: "base" };
  const bars = [
    { label: "base", mean: base, color: "c" as const },
    ...FILTERS.map((filter) => ({
      label: `SFT, ${filter}`,
      mean: near(`sft/${filter}`),
      color: "b" as const,
    })),
    { label: "SFT, process, longer", mean: near("sft/process, longer"), color: "b" as const },
    ...FILTERS.map((filter) => ({
      label: `SWiRL, ${filter}`,
      mean: near(`swirl/${filter}`),
      color: "a" as const,
    })),
    { label: "SWiRL, process, longer", mean: near("swirl/process, longer"), color: "a" as const },
    { label: "SWiRL after SFT, both", mean: near("swirl/after SFT"), color: "a" as const },
  ];
  const rows = ["swirl/search only", "swirl/arithmetic only", SWIRL].map((arm) => ({
    label: arm === SWIRL ? "trained on both" : `trained on ${arm.slice(6).replace(" only", "")}`,
    gains: HELD_OUT.map((where) => outcomes.difference(arm, BASE, where)),
  }));
  return {
    filters: barChart("Accuracy on held-out questions, by filter", bars, base.value),
    transfer: matrixChart("What training on one task does to the other", HELD_OUT.map(listTitle), rows),
    "data-size": curveChart(
      "Accuracy by size of the training data",
      "trajectories (process filter)",
      [
        { label: count(settings.keptSmall), mean: near("swirl/small data") },
        { label: count(settings.kept), mean: near(SWIRL) },
        { label: largestKept(outcomes), mean: near("swirl/large data") },
      ],
      reference,
    ),
    updates: curveChart(
      "Accuracy by length of training",
      "updates (process filter)",
      [
        { label: count(settings.shortSwirlSteps), mean: near("swirl/process, shorter") },
        { label: count(settings.swirl.steps!), mean: near(SWIRL) },
        { label: count(settings.longSwirlSteps), mean: near("swirl/process, longer") },
      ],
      reference,
    ),
    "group-size": curveChart(
      "Accuracy by actions a state, equally many in all",
      "G",
      GROUP_SIZES.map((size) => ({ label: String(size), mean: near(groupArm(size)) })),
      reference,
    ),
    "noisy-judge": curveChart(
      "Accuracy by wrong verdicts of the judge",
      "share of verdicts flipped, in filter and reward",
      [
        { label: "0 %", mean: near(SWIRL) },
        ...WRONG.map((rate) => ({ label: `${100 * rate} %`, mean: near(wrongArm(rate)) })),
      ],
      reference,
    ),
  };
}

export function listTitle(list: (typeof HELD_OUT)[number]): string {
  return {
    search: "search",
    arithmetic: "arithmetic",
    "search-far": "4 hops",
    "arithmetic-far": "amounts ≥ 50",
  }[list];
}

/** How many trajectories the largest selection holds, the fewest of any seed: "9,812". */
export function largestKept(outcomes: Outcomes): string {
  const { results } = outcomes;
  const kept = results.seeds.map((seed) => results.get(seed, "kept/large data", "select").figures.kept);
  return count(Math.min(...kept));
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
