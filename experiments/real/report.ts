/** The page of a real study: one model, one set of test questions, intervals over questions (and over seeds, if several). */
import { type Interval, meanInterval, pairedBootstrap, wilsonInterval } from "swirl-rl";
import { barChart } from "../report/bar-chart.js";
import { machine } from "../report/machine.js";
import { percent, table } from "../report/markdown.js";
import type { SeedMean } from "../report/over-seeds.js";
import type { Report } from "../report/report.js";
import { NOTES } from "../report/write-study-report.js";
import type { StudyResults } from "../results.js";
import { OUTCOME_REWARD, REAL_FILTERS, realArms, startOf } from "./jobs.js";
import type { RealSettings } from "./settings.js";

const SECOND_JUDGE = {
  rules: "",
  "rules and model": " and a model that reads, which both have to say GOOD",
  "rules and solutions":
    " and the questions' own solutions, which both have to say GOOD: a call's value is one that the solution reaches, an answer is right",
} as const;

export function realReport(
  results: StudyResults,
  settings: RealSettings,
  study: string = settings.dataset,
): Report {
  return {
    name: `learning-${study}`,
    page: page(results, settings, study),
    figures: { accuracy: accuracyChart(results, settings) },
    data: { settings, seeds: results.seeds, machine: machine() },
  };
}

function page(results: StudyResults, settings: RealSettings, study: string): string {
  const title = settings.dataset === "gsm8k" ? "GSM8K with the calculator" : "HotpotQA with search";
  const { swirl, samples, kept, shots, lora, controls } = settings;
  const start = settings.imitation ? "Base → format SFT" : `Base with ${shots} examples in the prompt`;
  return `# ${title}

${start} → SWiRL with the process filter and with the outcome filter${settings.outcomeReward ? ", and rewarded by right answers" : ""}. Written by
\`npm run experiments -- ${study}\`; every number is computed from the jobs in the JSON file next to this page.

- ${settings.test.limit} test questions, greedy. Brackets: 95 % intervals over questions (shares Wilson, differences and means over seeds by a
  bootstrap over questions). Bold: the interval excludes 0.
- Stage 1: ${settings.train.limit} training questions × ${samples} trajectories; a filter hands on up to ${kept} of them. Stage 2: ${swirl.steps} updates of ${swirl.batchSize} states ×
  ${swirl.samplesPerState} actions, learning rate ${swirl.lr}, KL weight ${swirl.klWeight}.
- Filter and reward are the task's rule judge${SECOND_JUDGE[settings.judge]} ([error rates](../judges.md)).${lora ? `\n- Policies are adapters of rank ${lora.rank} (LoRA).` : ""}${controls ? `\n- Controls: SFT on the process filter's trajectories, verdicts of which half are flipped, and ${controls.votes} trajectories of the base at temperature 0.7.` : ""}${settings.outcomeReward ? " *Outcome reward* plays each fresh action to its end instead,\n  with live tools, and asks whether the answer is right." : ""}
- Machine: ${machine()}.

![Accuracy](learning-${study}/accuracy.svg)

${results.seeds.length > 1 ? `${seedsTogether(results, settings)}\n\n` : ""}${results.seeds.map((seed) => seedTables(results, settings, seed)).join("\n\n")}

${NOTES}
`;
}

/** What the seeds' policies answer right, on average; a question is drawn with all of its answers. */
function seedsTogether(results: StudyResults, settings: RealSettings): string {
  const base = startOf(settings);
  const start = questionShares(results, base.id);
  const filters = REAL_FILTERS.map((filter) => questionShares(results, `swirl/${filter}`));
  const gains = table(
    [`mean over ${results.seeds.length} seeds`, "accuracy", `− ${base.id}`],
    realArms(settings).map(({ id, title }) => {
      const shares = questionShares(results, id);
      return [title, percent(meanOf(shares)), id === base.id ? "" : bootstrapped(start, shares)];
    }),
  );
  const [process, outcome] = filters;
  return `${gains}\n\nProcess filter − outcome filter: ${bootstrapped(outcome!, process!)} points.`;
}

/** For each question, the share of seeds whose policy answers it right. A rollout that failed counts as wrong. */
function questionShares(results: StudyResults, id: string): number[] {
  const rows = results.seeds.map((seed) => [
    ...results.get(seed, `measure ${id}`, "measure").figures.answers,
  ]);
  return rows[0]!.map((_, i) => meanOf(rows.map((row) => (row[i] === "1" ? 1 : 0))));
}

function accuracyChart(results: StudyResults, settings: RealSettings): string {
  const arms = realArms(settings);
  const bars = arms.map(({ id, title }) => {
    const color = id.startsWith("swirl")
      ? ("a" as const)
      : id === startOf(settings).id || id.startsWith("control")
        ? ("b" as const)
        : ("c" as const);
    return { label: title, mean: accuracyOf(results, id), color };
  });
  const highest = Math.max(...bars.map(({ mean }) => mean.high));
  const full = [0.04, 0.1, 0.2, 0.4].find((edge) => highest <= edge) ?? 1;
  const reference = bars[arms.findIndex(({ id }) => id === startOf(settings).id)]!.mean.value;
  return barChart(`Accuracy on ${settings.test.limit} test questions`, bars, reference, full);
}

/** Over questions: Wilson's interval for one seed; for several, the interval of the mean over each question's seeds. */
function accuracyOf(results: StudyResults, id: string): SeedMean {
  const n = results.seeds.length;
  const shares = questionShares(results, id);
  const value = meanOf(shares);
  if (n > 1) return { value, ...meanInterval(shares), n };
  return { value, ...wilsonInterval(shares.filter((share) => share === 1).length, shares.length), n };
}

function seedTables(results: StudyResults, settings: RealSettings, seed: number): string {
  const measure = (id: string) => results.get(seed, `measure ${id}`, "measure");
  const base = startOf(settings);
  const start = measure(base.id).figures.answers;
  const arms = table(
    [`seed ${seed}`, "accuracy", `− ${base.id}`, "mean process label", "calls a question", "evaluation, s"],
    realArms(settings).map(({ id, title }) => {
      const { figures, seconds } = measure(id);
      const { correct, labels, callsPerQuestion, answers } = figures;
      const label = labels.process!;
      return [
        title,
        withInterval(correct.count / correct.of, wilsonInterval(correct.count, correct.of)),
        id === base.id ? "" : difference(start, answers),
        label.of === 0 ? "–" : percent(label.count / label.of),
        callsPerQuestion.toFixed(2),
        seconds.toFixed(0),
      ];
    }),
  );
  const runs = REAL_FILTERS.map((filter) => ({ id: `swirl/${filter}`, filter, title: `${filter} filter` }));
  const rewarded = {
    id: OUTCOME_REWARD,
    filter: "process" as const,
    title: "process filter, outcome reward",
  };
  const training = table(
    ["", "pool", "passes", "handed on", "reward, first and last tenth", "KL, last tenth", "training, s"],
    [...runs, ...(settings.outcomeReward ? [rewarded] : [])].map(({ id, filter, title }) => {
      const { figures } = results.get(seed, `kept/${filter}`, "select");
      const run = results.get(seed, id, "swirl");
      const { firstReward, lastReward, lastKl } = run.figures;
      return [
        title,
        String(figures.table.pool),
        String(figures.table.rows.find((row) => row.kind === filter)?.kept ?? ""),
        String(figures.kept),
        `${firstReward?.toFixed(3) ?? "–"} → ${lastReward?.toFixed(3) ?? "–"}`,
        lastKl?.toFixed(3) ?? "–",
        run.seconds.toFixed(0),
      ];
    }),
  );
  return `${arms}\n\n${training}`;
}

function withInterval(value: number, { low, high }: Interval): string {
  return `${percent(value)} [${percent(low)}, ${percent(high)}]`;
}

/** after − before over the questions that both decided. */
function difference(before: string, after: string): string {
  const pairs = [...before].flatMap((one, i) =>
    one === "-" || after[i] === "-" ? [] : [[+one, +after[i]!]],
  );
  if (pairs.length === 0) return "–";
  const column = (j: number) => pairs.map((pair) => pair[j]!);
  return bootstrapped(column(0), column(1));
}

function bootstrapped(before: readonly number[], after: readonly number[]): string {
  const { difference: value, low, high } = pairedBootstrap(before, after);
  const text = `${value >= 0 ? "+" : ""}${percent(value)} [${percent(low)}, ${percent(high)}]`;
  return low > 0 || high < 0 ? `**${text}**` : text;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
