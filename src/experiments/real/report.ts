/** The page of a real study: one model, one set of test questions, intervals over questions (and over seeds, if several). */
import { type Interval, pairedBootstrap, wilsonInterval } from "../../evaluate/interval.js";
import { machine } from "../report/machine.js";
import { percent, table } from "../report/markdown.js";
import type { Report } from "../report/report.js";
import { NOTES } from "../report/write-study-report.js";
import type { StudyResults } from "../results.js";
import { REAL_ARMS, REAL_FILTERS } from "./cells.js";
import type { RealSettings } from "./settings.js";

export function realReport(results: StudyResults, settings: RealSettings): Report {
  return {
    name: `learning-${settings.dataset}`,
    page: page(results, settings),
    figures: {},
    data: { settings, seeds: results.seeds, machine: machine() },
  };
}

function page(results: StudyResults, settings: RealSettings): string {
  const title = settings.dataset === "gsm8k" ? "GSM8K with the calculator" : "HotpotQA with search";
  const { swirl, samples, kept } = settings;
  return `# ${title}

Base → format SFT → SWiRL with the process filter and with the outcome filter. Written by
\`npm run experiments -- ${settings.dataset}\`; every number is computed from the cells in the JSON file beside this page.

- ${settings.test.limit} test questions, greedy. Brackets: 95 % intervals over questions (Wilson; differences by a paired bootstrap). Bold: the
  interval excludes 0.
- Stage 1: ${settings.train.limit} training questions × ${samples} trajectories; a filter hands on up to ${kept} of them. Stage 2: ${swirl.steps} updates of ${swirl.batchSize} states ×
  ${swirl.samplesPerState} actions, learning rate ${swirl.lr}, KL weight ${swirl.klWeight}. Filter and reward use the task's rule judge
  ([its error rates](../judges.md)).
- Machine: ${machine()}.

${results.seeds.map((seed) => seedTables(results, seed)).join("\n\n")}

${NOTES}
`;
}

function seedTables(results: StudyResults, seed: number): string {
  const measure = (id: string) => results.get(seed, `measure ${id}`, "measure");
  const start = measure("format SFT").figures.answers;
  const arms = table(
    [`seed ${seed}`, "accuracy", "− format SFT", "mean process label", "calls a question", "evaluation, s"],
    REAL_ARMS.map(({ id, title }) => {
      const { figures, seconds } = measure(id);
      const { correct, labels, callsPerQuestion, answers } = figures;
      const label = labels.process!;
      return [
        title,
        withInterval(correct.count / correct.of, wilsonInterval(correct.count, correct.of)),
        id === "format SFT" ? "" : difference(start, answers),
        label.of === 0 ? "–" : percent(label.count / label.of),
        callsPerQuestion.toFixed(2),
        seconds.toFixed(0),
      ];
    }),
  );
  const training = table(
    ["", "pool", "passes", "handed on", "reward, first and last tenth", "KL, last tenth", "training, s"],
    REAL_FILTERS.map((filter) => {
      const { figures } = results.get(seed, `kept/${filter}`, "select");
      const run = results.get(seed, `swirl/${filter}`, "swirl");
      const { firstReward, lastReward, lastKl } = run.figures;
      return [
        `${filter} filter`,
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
  const { difference: value, low, high } = pairedBootstrap(column(0), column(1));
  const text = `${value >= 0 ? "+" : ""}${percent(value)} [${percent(low)}, ${percent(high)}]`;
  return low > 0 || high < 0 ? `**${text}**` : text;
}
