/**
 * report.html: one self-contained file, without scripts, fonts or network access. All text of models and datasets is
 * escaped. Pure.
 */
import type { EvaluationRecord } from "../evaluate/evaluation-record.js";
import type { ReportData } from "./report-data.js";
import { reportStyle } from "./report-style.js";
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
import { escapeXml, intervalChart, lineChart } from "./svg-chart.js";

export function reportHtml(data: ReportData): string {
  const title = escapeXml(data.title);
  const parts = [
    result(data),
    otherSets(data),
    curves(data),
    filter(data),
    samples(data),
    cost(data),
    made(data),
  ].filter((part) => part !== "");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${reportStyle}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${contents(parts)}
${parts.join("\n")}
</main>
</body>
</html>
`;
}

/** Links to the sections that are there. */
function contents(parts: readonly string[]): string {
  const items = parts.flatMap((part) => {
    const [, id, heading] = /^<section id="([a-z-]+)"><h2>([^<]*)<\/h2>/.exec(part) ?? [];
    return id ? [`<li><a href="#${id}">${heading}</a></li>`] : [];
  });
  return items.length < 2 ? "" : `<nav aria-label="Contents"><ul>${items.join("")}</ul></nav>`;
}

function result({ stages, gains }: ReportData): string {
  if (stages.length === 0) return "";
  const accuracy = stages.map(({ name, summary }) => ({ label: name, ...summary.accuracy }));
  const labels = stages.flatMap(({ name, summary }) =>
    summary.processLabel ? [{ label: name, ...summary.processLabel }] : [],
  );
  const chart = (rows: typeof accuracy, title: string) =>
    rows.some((row) => Number.isFinite(row.value))
      ? `<figure><figcaption>${title}</figcaption>${intervalChart(
          rows.filter((row) => Number.isFinite(row.value)),
          title,
        )}</figure>`
      : "";
  return section("Result", [
    `<div class="pair">${chart(accuracy, "Accuracy, with 95 % interval")}${chart(labels, "Mean process label, with 95 % interval")}</div>`,
    ...gains.map((gain) => `<p class="gain">${escapeXml(gainText(gain))}</p>`),
    table(resultTable(stages)),
    "<h3>How questions ended</h3>",
    table(endTable(stages)),
  ]);
}

function otherSets({ sets }: ReportData): string {
  if (sets.length === 0) return "";
  return section(
    "Other questions",
    sets.flatMap(({ name, stages, gains }) => [
      `<h3>${escapeXml(name)}</h3>`,
      ...gains.map((gain) => `<p class="gain">${escapeXml(gainText(gain))}</p>`),
      table(resultTable(stages)),
    ]),
  );
}

function curves({ series }: ReportData): string {
  if (series.length === 0) return "";
  const figures = series.map(
    ({ title, points }) =>
      `<figure><figcaption>${escapeXml(title)}</figcaption>${lineChart(points, title)}</figure>`,
  );
  const note =
    "Faint: every update. Strong: running mean over a tenth of the run. Across: updates. Point at a curve for its values.";
  return section("Training", [
    `<div class="grid-of-charts">${figures.join("")}</div>`,
    `<p class="note">${note}</p>`,
  ]);
}

function filter({ filter: filtered }: ReportData): string {
  if (!filtered) return "";
  const note = `${filtered.handedOn} trajectories were kept for training. Columns after “kept” count the others by reason.`;
  return section("Filter", [table(filterRows(filtered)), `<p class="note">${note}</p>`]);
}

function samples({ samples: pairs, stages, changes }: ReportData): string {
  if (pairs.length === 0) return "";
  const note = changes ? `${changesText(changes)}. Those that changed come first.` : "";
  return section("Sample trajectories", [
    note === "" ? "" : `<p class="note">${note}</p>`,
    ...pairs.map(({ what, first, last }) => {
      const { question, gold } = first.trajectory;
      return `<article><h3>${escapeXml(question)}</h3>
<p class="note">${escapeXml(what)} · accepted: ${escapeXml(gold.join(" | "))}</p>
<div class="pair">${transcript(first, stages[0]!.name)}${transcript(last, stages.at(-1)!.name)}</div></article>`;
    }),
  ]);
}

function cost({ cost: spent }: ReportData): string {
  const tables = costTables(spent);
  if (tables.length === 0) return "";
  return section(
    "Cost",
    tables.map((each) => `<h3>${each.title}</h3>${table(each.table)}`),
  );
}

function transcript({ trajectory, verdicts, correct }: EvaluationRecord, name: string): string {
  const steps = trajectory.steps.map((step, i) => {
    const verdict = verdicts?.[i];
    const label = !verdict ? "" : verdict.status === "failed" ? "not judged" : verdict.good ? "GOOD" : "BAD";
    const badge = label
      ? ` <span class="badge ${label.toLowerCase().replace(" ", "-")}">${label}</span>`
      : "";
    const observed = step.observation
      ? `<pre class="observation${step.observation.error ? " error" : ""}">${escapeXml(step.observation.text)}</pre>`
      : "";
    return `<li><pre class="action">${escapeXml(step.text.trim())}</pre>${badge}${observed}</li>`;
  });
  const outcome = correct === null ? "unchecked" : correct ? "right" : "wrong";
  return `<div class="transcript"><h4>${escapeXml(name)} <span class="note">${outcome}, ended in ${escapeXml(trajectory.end)}</span></h4>
<ol>${steps.join("")}</ol></div>`;
}

function made(data: ReportData): string {
  const rows = manifestRows(data);
  const config =
    data.config === undefined
      ? ""
      : `<details><summary>Config</summary><pre>${escapeXml(JSON.stringify(data.config, null, 2))}</pre></details>`;
  return rows || config ? section("Made with", [rows ? table(rows) : "", config]) : "";
}

function section(heading: string, parts: readonly string[]): string {
  const id = heading.toLowerCase().replaceAll(" ", "-");
  return `<section id="${id}"><h2>${heading}</h2>\n${parts.filter((part) => part !== "").join("\n")}</section>`;
}

function table({ head, rows }: Table): string {
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("");
  return `<div class="scroll"><table><thead><tr>${cells(head, "th")}</tr></thead><tbody>${body}</tbody></table></div>`;
}
