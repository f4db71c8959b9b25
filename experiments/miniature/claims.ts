/**
 * What the paper (arXiv 2504.04736v2) claims, each as differences that the miniature measures, with the direction it
 * predicts. The rule was fixed before the study ran: reproduced if every interval of a claim lies on the predicted side
 * of 0; the opposite if one lies wholly on the other side; not reproduced otherwise. Afterwards one word was added: mixed,
 * for a claim with several tests of which one shows the predicted direction and another the opposite.
 */
import type { SeedMean } from "../report/over-seeds.js";
import { BASE, SWIRL } from "./arms.js";
import type { Outcomes, Where } from "./outcomes.js";

export interface ClaimTest {
  arm: string;
  other: string;
  where: Where;
  /** A judge's label instead of accuracy. */
  label?: string;
  predicted: "more" | "less";
}

export interface Claim {
  text: string;
  /** Where in the paper. */
  source: string;
  tests: readonly ClaimTest[];
  /** Why there is no test. */
  untestable?: string;
}

const more = (arm: string, other: string, where: Where = "near"): ClaimTest => ({
  arm,
  other,
  where,
  predicted: "more",
});
const less = (arm: string, other: string, where: Where = "near"): ClaimTest => ({
  arm,
  other,
  where,
  predicted: "less",
});

export const CLAIMS: readonly Claim[] = [
  { text: "SWiRL improves on its base model", source: "main results", tests: [more(SWIRL, BASE)] },
  {
    text: "it does so on both kinds of task",
    source: "main results",
    tests: [more(SWIRL, BASE, "search"), more(SWIRL, BASE, "arithmetic")],
  },
  {
    text: "the process filter is better for SWiRL than no filter",
    source: "filter ablation",
    tests: [more(SWIRL, "swirl/none")],
  },
  {
    text: "no filter is better for SWiRL than the outcome filter",
    source: "filter ablation",
    tests: [more("swirl/none", "swirl/outcome")],
  },
  {
    text: "the process filter is better for SWiRL than the outcome filter",
    source: "filter ablation",
    tests: [more(SWIRL, "swirl/outcome")],
  },
  {
    text: "the process filter is better for SWiRL than process and outcome",
    source: "filter ablation",
    tests: [more(SWIRL, "swirl/both")],
  },
  {
    text: "SFT on process-filtered trajectories falls below the base",
    source: "SFT ablation",
    tests: [less("sft/process", BASE)],
  },
  {
    text: "SFT needs correct outcomes: process and outcome beat process alone",
    source: "SFT ablation",
    tests: [more("sft/both", "sft/process")],
  },
  {
    text: "SWiRL beats SFT on the same trajectories",
    source: "filter and SFT ablations",
    tests: [more(SWIRL, "sft/process"), more("swirl/both", "sft/both")],
  },
  {
    text: "trained on search, it improves at arithmetic",
    source: "main results",
    tests: [more("swirl/search only", BASE, "arithmetic")],
  },
  {
    text: "trained on arithmetic, it improves at search",
    source: "main results",
    tests: [more("swirl/arithmetic only", BASE, "search")],
  },
  {
    text: "it improves on data sets out of its training distribution",
    source: "main results",
    tests: [more(SWIRL, BASE, "search-far"), more(SWIRL, BASE, "arithmetic-far")],
  },
  {
    text: "100 trajectories are too few to improve much; 1,000 are clearly better",
    source: "data sizes",
    tests: [more(SWIRL, "swirl/small data")],
  },
  {
    text: "more trajectories help further, up to 10,000",
    source: "data sizes",
    tests: [more("swirl/large data", SWIRL)],
  },
  {
    text: "the mean process label on held-out questions rises, by the judge that trained it",
    source: "mean process labels",
    tests: [{ ...more(SWIRL, BASE), label: "process" }],
  },
  {
    text: "steps really become better, by a judge that had no part in training",
    source: "mean process labels, there by the same judge",
    tests: [
      { ...more(SWIRL, BASE), label: "independent" },
      { ...more(SWIRL, BASE), label: "oracle" },
    ],
  },
  {
    text: "small models gain in their own domain and not reliably outside it",
    source: "model sizes",
    tests: [],
    untestable: "one size of model",
  },
  {
    text: "the published accuracies of Gemma 2 (27b)",
    source: "main results",
    tests: [],
    untestable: "another model, other data, another judge",
  },
];

export type ClaimVerdict =
  | "reproduced"
  | "not reproduced"
  | "not reproduced: the opposite"
  | "not reproduced: mixed"
  | "not testable here"
  | "no verdict from one seed";

export function judgeClaim(
  { tests }: Claim,
  outcomes: Outcomes,
): { verdict: ClaimVerdict; differences: SeedMean[] } {
  const differences = tests.map((test) => differenceOf(test, outcomes));
  const sides = differences.map(({ low, high }, i) => sideOf(low, high, tests[i]!.predicted));
  if (tests.length === 0) return { verdict: "not testable here", differences };
  if (differences.some(({ n }) => n < 2)) return { verdict: "no verdict from one seed", differences };
  if (sides.every((side) => side === "predicted")) return { verdict: "reproduced", differences };
  if (!sides.includes("opposite")) return { verdict: "not reproduced", differences };
  const mixed = sides.includes("predicted");
  return { verdict: `not reproduced: ${mixed ? "mixed" : "the opposite"}`, differences };
}

export function differenceOf({ arm, other, where, label }: ClaimTest, outcomes: Outcomes): SeedMean {
  return label === undefined
    ? outcomes.difference(arm, other, where)
    : outcomes.labelDifference(arm, other, label);
}

function sideOf(low: number, high: number, predicted: "more" | "less"): "predicted" | "opposite" | "neither" {
  if (low > 0) return predicted === "more" ? "predicted" : "opposite";
  if (high < 0) return predicted === "less" ? "predicted" : "opposite";
  return "neither";
}
