/** report.md: the figures and sample trajectories of a run, for a terminal or a repository. Pure. */
import type { EvaluationRecord } from "../evaluate/evaluation-record.js";
import type { ReportData, Series } from "./report-data.js";
import {
  changesText,
  costTables,
  endTable,
  filterRows,
  gainText,
  manifestRows,
  resultTable,
  type Table,
} from "./report-tables.js";
import { runningMean } from "./svg-chart.js";

export function reportMarkdown(data: ReportData): string {
  const parts = [`# ${inert(data.title)}`];
  if (data.stages.length > 0) {
    parts.push("## Result", table(resultTable(data.stages)), ...data.gains.map(gainText));
    parts.push("## How questions ended", table(endTable(data.stages)));
  }
  for (const { name, stages, gains } of data.sets)
    parts.push(`## Result on ${inert(name)}`, table(resultTable(stages)), ...gains.map(gainText));
  if (data.series.length > 0) parts.push("## Training", table(curveTable(data.series)));
  if (data.filter) {
    parts.push(
      "## Filter",
      table(filterRows(data.filter)),
      `${data.filter.handedOn} trajectories were kept for training.`,
    );
  }
  if (data.samples.length > 0) {
    parts.push("## Sample trajectories");
    if (data.changes) parts.push(`${changesText(data.changes)}. Those that changed come first.`);
    for (const { what, first, last } of data.samples) {
      parts.push(
        `### ${what}: ${inert(first.trajectory.question)}`,
        `Accepted: ${inert(first.trajectory.gold.join(" | "))}`,
      );
      parts.push(
        `**${inert(data.stages[0]!.name)}**`,
        transcript(first),
        `**${inert(data.stages.at(-1)!.name)}**`,
        transcript(last),
      );
    }
  }
  const cost = costTables(data.cost);
  if (cost.length > 0) parts.push("## Cost", ...cost.map((each) => table(each.table)));
  const made = manifestRows(data);
  if (made) parts.push("## Made with", table(made));
  return `${parts.join("\n\n")}\n`;
}

/** First and last tenth of each curve. */
function curveTable(series: readonly Series[]): Table {
  return {
    head: ["metric", "updates", "first tenth", "last tenth"],
    rows: series.map(({ name, points }) => {
      const tenth = Math.max(1, Math.round(points.length / 10));
      const mean = runningMean(
        points.map((point) => point.y),
        tenth,
      );
      return [name, String(points.length), short(mean[tenth - 1]!), short(mean.at(-1)!)];
    }),
  };
}

function transcript({ trajectory, verdicts }: EvaluationRecord): string {
  const lines = trajectory.steps.flatMap((step, i) => {
    const verdict = verdicts?.[i];
    const label = verdict
      ? ` (${verdict.status === "failed" ? "not judged" : verdict.good ? "GOOD" : "BAD"})`
      : "";
    const observed = step.observation ? [`   ← ${oneLine(step.observation.text)}`] : [];
    return [`${i + 1}. ${oneLine(step.text)}${label}`, ...observed];
  });
  // A fence longer than any in the text: what a model wrote cannot end it.
  const longest = Math.max(2, ...lines.flatMap((line) => line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return [fence, ...lines, `end: ${trajectory.end}`, fence].join("\n");
}

function table({ head, rows }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => inert(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** What a dataset or a model wrote, as text of one line: no markup, no link or picture, no HTML. */
function inert(text: string): string {
  return oneLine(text)
    .replace(/[\\`]/g, "\\$&")
    .replace(/\](?=[([])/g, "]\\")
    .replace(/[&<]/g, (character) => (character === "&" ? "&amp;" : "&lt;"));
}

function oneLine(text: string): string {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length > 600 ? `${flat.slice(0, 600)}…` : flat;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
