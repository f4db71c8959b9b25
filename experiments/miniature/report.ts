/** docs/results/learning.md: every number on the page, and every verdict, is computed here from the jobs. */
import type { FilterKind } from "swirl-rl";
import { machine } from "../report/machine.js";
import { gain, percent, share, table } from "../report/markdown.js";
import { overSeeds } from "../report/over-seeds.js";
import type { Report } from "../report/report.js";
import { NOTES } from "../report/write-study-report.js";
import type { StudyResults } from "../results.js";
import { arms, BASE, FILTERS, GROUP_SIZES, groupArm, SWIRL, THOUGHTS, WRONG, wrongArm } from "./arms.js";
import { CLAIMS, judgeClaim } from "./claims.js";
import { largestKept, listTitle, miniatureFigures } from "./figures.js";
import { Outcomes, type Where } from "./outcomes.js";
import type { MiniatureSettings } from "./settings.js";
import { HELD_OUT } from "./testbed.js";

export function miniatureReport(results: StudyResults, settings: MiniatureSettings): Report {
  const outcomes = new Outcomes(results);
  const claims = CLAIMS.map((claim) => ({ ...claim, ...judgeClaim(claim, outcomes) }));
  return {
    name: "learning",
    page: page(outcomes, settings),
    figures: miniatureFigures(outcomes, settings),
    data: { settings, seeds: results.seeds, claims, machine: machine() },
  };
}

function page(outcomes: Outcomes, settings: MiniatureSettings): string {
  const { seeds, all } = outcomes.results;
  const { swirl, sft, longSft, shortSwirlSteps, longSwirlSteps, imitation } = settings;
  const seconds = all.reduce((sum, result) => sum + result.processorSeconds, 0);
  const single = seeds.length < 2 ? "\n**One seed only: no intervals, and so no verdicts.**\n" : "";
  const lists = settings.heldOut.toLocaleString("en-US");
  return `# Does it learn?

The paper's claims in miniature, with controls that the paper does not have. Written by \`npm run experiments -- miniature\`: every number
and every verdict on this page is computed from the jobs in [learning.json](learning.json).
${single}
- ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"} (${seeds.join(", ")}). Each makes another world, base policy, trajectories and draws; every arm of a seed starts from
  the same base and answers the same questions.
- ${lists} held-out questions of each kind, so ${(2 * settings.heldOut).toLocaleString("en-US")} for an arm where both kinds are pooled. Actions are sampled at
  temperature 1, as in training, unless a table says greedy. Values in percent.
- Intervals are Student's 95 % intervals over seeds; differences are paired by seed. Bold: the interval excludes 0. With so
  many comparisons, one in twenty true zeros would look like an effect.
- Machine: ${machine()}.
- ${(seconds / 3600).toFixed(1)} hours of processor time in all.

## The paper's claims

Rule, fixed before the run: *reproduced* if every interval lies on the predicted side of 0, *the opposite* if one lies wholly
on the other side (*mixed* if others lie on the predicted one), else *not reproduced*.

${table(
  ["claim", "where in the paper", "here", "difference, points"],
  CLAIMS.map((claim) => {
    const { verdict, differences } = judgeClaim(claim, outcomes);
    const shown = differences.map((difference, i) => {
      const { arm, other, where, label } = claim.tests[i]!;
      const of = label === undefined ? whereTitle(where) : `label by the ${label} judge`;
      return `${arm} − ${other}, ${of}: ${gain(difference)}`;
    });
    return [claim.text, claim.source, verdict, claim.untestable ?? shown.join("<br>")];
  }),
)}

${NOTES}

## Side by side

${table(
  ["difference", "where", "points"],
  PAIRS.map(([arm, other, where]) => [
    `${arm} − ${other}`,
    whereTitle(where),
    gain(outcomes.difference(arm, other, where)),
  ]),
)}

## Filters

![Accuracy by filter](learning/filters.svg)

${accuracyTable(outcomes, FILTER_ARMS)}

Greedy, the most probable action every time:

${table(
  ["greedy", "accuracy", "− base", `− ${SWIRL}`],
  [...FILTER_ARMS, ...CONTROLS]
    .filter((arm) => GREEDY.has(arm))
    .map((arm) => [
      arm,
      share(outcomes.accuracy(arm, "near, greedy")),
      arm === BASE ? "" : gain(outcomes.difference(arm, BASE, "near, greedy")),
      arm === SWIRL ? "" : gain(outcomes.difference(arm, SWIRL, "near, greedy")),
    ]),
)}

Equal numbers: every filter hands on ${settings.kept.toLocaleString("en-US")} trajectories of one and the same pool. *SFT, longer* trains ${longSft.steps} instead of ${sft.steps}
updates, for as long as SWiRL takes: ${cost(outcomes, "sft/process, longer")} processor seconds against ${cost(outcomes, SWIRL)}.
*SWiRL, shorter* and *longer* train ${shortSwirlSteps} and ${longSwirlSteps} instead of ${swirl.steps} updates; ${shortSwirlSteps} pass over the states once.
*After SFT* starts from sft/both instead of the base, on the states of
the same trajectories.

![Length of training](learning/updates.svg)

${poolTable(outcomes)}

## Transfer, and out of the training distribution

![Transfer](learning/transfer.svg)

${table(
  ["accuracy", ...HELD_OUT.map(listTitle)],
  [BASE, "swirl/search only", "swirl/arithmetic only", SWIRL].map((arm) => [
    arm,
    ...HELD_OUT.map((where) => share(outcomes.accuracy(arm, where))),
  ]),
)}

${table(
  ["− base", ...HELD_OUT.map(listTitle)],
  [
    ...FILTERS.map((filter) => `sft/${filter}`),
    ...FILTERS.map((filter) => `swirl/${filter}`),
    "swirl/search only",
    "swirl/arithmetic only",
    "swirl/outcome reward",
    "swirl/no KL",
    "swirl/process, longer",
    "swirl/after SFT",
  ].map((arm) => [arm, ...HELD_OUT.map((where) => gain(outcomes.difference(arm, BASE, where)))]),
)}

Training asks two or three steps with amounts below 50. The base was shown four hops and amounts up to 99 as well, as a
language model has read more than it is later trained on.

## Size of the data

![Size of the data](learning/data-size.svg)

${accuracyTable(outcomes, ["swirl/small data", SWIRL, "swirl/large data"])}

${settings.keptSmall.toLocaleString("en-US")}, ${settings.kept.toLocaleString("en-US")} and up to ${settings.keptLarge.toLocaleString("en-US")} trajectories (the largest the filter leaves; the fewest of any seed: ${largestKept(outcomes)}), each for
${swirl.steps} updates: equal compute, so that only the variety of the states differs.

## Do the steps become better?

Share of GOOD steps on held-out questions. The *process* judge filters and rewards, and overlooks ${Math.round(100 * settings.overlooked)} % of the bad steps; the *independent* judge is the package's
weak rule judge, which shares no rule with it; the *oracle* knows the plan of every question and only measures.

${table(
  ["", "process judge", "independent judge", "oracle"],
  [BASE, SWIRL, "swirl/outcome", "swirl/outcome reward", ...WRONG.map(wrongArm), "sft/process"].map((arm) => [
    arm,
    ...JUDGES.map((judge) => share(outcomes.label(arm, judge))),
  ]),
)}

${table(
  ["− base", "process judge", "independent judge", "oracle"],
  [SWIRL, "swirl/outcome", "swirl/outcome reward", ...WRONG.map(wrongArm), "sft/process"].map((arm) => [
    arm,
    ...JUDGES.map((judge) => gain(outcomes.labelDifference(arm, BASE, judge))),
  ]),
)}

## Controls

${accuracyTable(outcomes, [SWIRL, "swirl/none", "swirl/process, longer", ...CONTROLS])}

- *outcome reward*: the same states; an action is played to the end with live tools and rewarded if the answer is right.
- *logged actions*: the recorded actions weighted by reward instead of fresh ones, on the unfiltered trajectories, since all
  process-filtered actions have the same reward. Compare it with *swirl/none*, whose states are the same.
- *wrong*: that share of the judge's verdicts is flipped, in the filter and in the reward.
- *filtered by another judge*: by one as good as the judge that rewards, which overlooks other bad steps.
- *longer*: ${longSwirlSteps} instead of ${swirl.steps} updates.
- *G*: fresh actions a state, ${swirl.batchSize * swirl.samplesPerState} in all for each update. G = 1 has the running baseline, the others leave-one-out.

![Wrong verdicts](learning/noisy-judge.svg) ![Actions a state](learning/group-size.svg)

Chains of thought, kept in later states or stripped from them. Each has a base of its own, from demonstrations that think:

${table(
  ["", "base", "after SWiRL", "difference"],
  THOUGHTS.map((kind) => {
    const [base, after] = [`base/thoughts ${kind}`, `swirl/thoughts ${kind}`];
    return [
      kind,
      share(outcomes.accuracy(base, "near")),
      share(outcomes.accuracy(after, "near")),
      gain(outcomes.difference(after, base, "near")),
    ];
  }),
)}

kept − stripped, after SWiRL: ${gain(outcomes.difference("swirl/thoughts kept", "swirl/thoughts stripped", "near"))}

## How it was made able to show an effect

The world is the demo's: invented people, guilds and towns to search, word problems to calculate. The policy, a Llama of half a
million parameters, first imitates a demonstrator who makes mistakes: ${imitation.steps} updates on ${settings.demonstrations.toLocaleString("en-US")} demonstrations. He answers
after two of three steps in ${Math.round(100 * settings.mistakes.answersBeforeThird)} % of cases, and slips elsewhere. So the base knows every right step and often takes another: there is
room above it and below. The judge knows no plan and no answer, does not notice earlier mistakes, and overlooks
${Math.round(100 * settings.overlooked)} % of the bad steps, always the same ones, so the process filter lets wrong answers by. SWiRL: ${swirl.steps} updates of ${swirl.batchSize} states × ${swirl.samplesPerState} actions, learning rate ${swirl.lr}, KL weight ${swirl.klWeight}.

What it is not: the mistakes were planted, the judge is made of rules and better than a prompted one, the world is small. It
says which way an effect goes when a judge works, not how large it is for a large model.

## Every seed

Accuracy, both kinds pooled, in percent.

${table(
  ["arm", ...seeds.map((seed) => `seed ${seed}`), "processor seconds"],
  arms().map(({ id }) => [
    id,
    ...seeds.map((seed) => percent(outcomes.accuracyOf(id, seed))),
    cost(outcomes, id),
  ]),
)}
`;
}

const FILTER_ARMS = [
  BASE,
  ...FILTERS.map((filter) => `sft/${filter}`),
  "sft/process, longer",
  ...FILTERS.map((filter) => `swirl/${filter}`),
  "swirl/process, shorter",
  "swirl/process, longer",
  "swirl/after SFT",
];
const CONTROLS = [
  "swirl/outcome reward",
  "swirl/logged actions",
  ...WRONG.map(wrongArm),
  "swirl/30 % wrong, no KL",
  "swirl/30 % wrong, KL weight 0.2",
  "swirl/filtered by another judge",
  "swirl/no KL",
  ...GROUP_SIZES.filter((size) => size !== 4).map(groupArm),
  "swirl/no baseline",
  "swirl/no baseline, longer",
  "swirl/group baseline",
];
/** Differences that the notes speak of and that stand in no other table. */
const PAIRS: readonly (readonly [string, string, Where])[] = [
  ["swirl/outcome", "sft/outcome", "near"],
  ["swirl/outcome", "sft/outcome", "near, greedy"],
  ["swirl/both", "sft/both", "near"],
  ["swirl/both", "sft/both", "near, greedy"],
  ["swirl/process", "sft/process", "arithmetic-far"],
  ["swirl/process, longer", "sft/process, longer", "near"],
  ["swirl/process, longer", "sft/both", "near, greedy"],
  ["swirl/process, longer", "sft/both", "search-far"],
  ["swirl/process, longer", "sft/both", "arithmetic-far"],
  ["swirl/after SFT", "sft/both", "near"],
  ["swirl/none", "swirl/both", "near"],
  ["swirl/none", "swirl/logged actions", "near"],
  ["swirl/outcome reward", "swirl/none", "near"],
  ["swirl/filtered by another judge", "swirl/none", "near"],
  ["swirl/no baseline", SWIRL, "near, greedy"],
  ["swirl/no baseline, longer", "swirl/process, longer", "near"],
  ["swirl/no baseline, longer", "swirl/process, longer", "near, greedy"],
  ["swirl/30 % wrong, no KL", "swirl/30 % wrong", "near"],
  ["swirl/30 % wrong, KL weight 0.2", "swirl/30 % wrong", "near"],
];
const GREEDY = new Set(arms().flatMap(({ id, greedy }) => (greedy ? [id] : [])));

const JUDGES = ["process", "independent", "oracle"] as const;

function whereTitle(where: Where): string {
  if (where === "near") return "both kinds";
  return where === "near, greedy" ? "both kinds, greedy" : listTitle(where);
}

function accuracyTable(outcomes: Outcomes, ids: readonly string[]): string {
  return table(
    ["", "accuracy", "search", "arithmetic", "− base", `− ${SWIRL}`],
    ids.map((id) => [
      id,
      share(outcomes.accuracy(id, "near")),
      share(outcomes.accuracy(id, "search")),
      share(outcomes.accuracy(id, "arithmetic")),
      id === BASE ? "" : gain(outcomes.difference(id, BASE, "near")),
      id === SWIRL ? "" : gain(outcomes.difference(id, SWIRL, "near")),
    ]),
  );
}

/** What each filter would keep of the pool, and how many of those trajectories end in the right answer. */
function poolTable({ results }: Outcomes): string {
  const rows = FILTERS.map((filter) => {
    const shares = results.seeds.map((seed) => {
      const { table: counts } = results.get(seed, "kept/both", "select").figures;
      const kept = (kind: FilterKind) => counts.rows.find((row) => row.kind === kind)!.kept;
      const right = filter === "none" || filter === "outcome" ? kept("outcome") : kept("both");
      return { kept: kept(filter) / counts.pool, right: right / kept(filter) };
    });
    return [
      filter,
      share(overSeeds(shares.map((of) => of.kept))),
      shares.every((of) => of.kept > 0) ? share(overSeeds(shares.map((of) => of.right))) : "–",
    ];
  });
  return table(["filter", "passes, of the pool", "of those, right answers"], rows);
}

/** Mean processor seconds that making an arm's policy takes. */
function cost({ results }: Outcomes, id: string): string {
  const all = results.all.filter((result) => result.id === id);
  return (all.reduce((sum, { processorSeconds }) => sum + processorSeconds, 0) / all.length).toFixed(0);
}
