/** The tables of a report as rows of cells, one form for Markdown and HTML. Pure. */
import type { Estimate } from "../evaluate/summary.js";
import type { FilterReason, FilterTable } from "../filter/filter-table.js";
import { type Cost, PHASES } from "./report-cost.js";
import type { EvaluatedStage, ReportData } from "./report-data.js";

export interface Table {
  head: string[];
  rows: string[][];
}

export function resultTable(stages: readonly EvaluatedStage[]): Table {
  const judged = stages.some((stage) => stage.summary.processLabel);
  return {
    head: [
      "policy",
      "questions",
      "accuracy (95 %)",
      "exact match",
      "F1",
      ...(judged ? ["mean process label (95 %)"] : []),
      "tool calls / question",
      "unchecked",
    ],
    rows: stages.map(({ name, summary }) => [
      name,
      String(summary.questions),
      percent(summary.accuracy),
      share(summary.exact.value),
      share(summary.f1.value),
      ...(judged ? [summary.processLabel ? percent(summary.processLabel) : "–"] : []),
      summary.toolCallsPerQuestion.toFixed(2),
      String(Object.values(summary.undecided).reduce((sum, count) => sum + count, 0)),
    ]),
  };
}

/** How trajectories ended: one column per stage. */
export function endTable(stages: readonly EvaluatedStage[]): Table {
  const ends = [...new Set(stages.flatMap((stage) => Object.keys(stage.summary.ends)))].sort();
  const reasons = [...new Set(stages.flatMap((stage) => Object.keys(stage.summary.malformed)))].sort();
  return {
    head: ["ended in", ...stages.map((stage) => stage.name)],
    rows: [
      ...ends.map((end) => [end, ...stages.map((stage) => String(stage.summary.ends[end] ?? 0))]),
      ...reasons.map((reason) => [
        `malformed action: ${reason}`,
        ...stages.map((stage) => String(stage.summary.malformed[reason] ?? 0)),
      ]),
    ],
  };
}

export function filterRows(table: FilterTable): Table {
  const reasons = [...new Set(table.rows.flatMap((row) => Object.keys(row.dropped)))] as FilterReason[];
  return {
    head: ["filter", "kept", ...reasons],
    rows: table.rows.map((row) => [
      row.kind === table.applied ? `${row.kind} (applied)` : row.kind,
      `${row.kept} of ${table.pool}`,
      ...reasons.map((reason) => String(row.dropped[reason] ?? 0)),
    ]),
  };
}

export function manifestRows({ manifest }: ReportData): Table | undefined {
  if (!manifest) return undefined;
  const session = manifest.sessions.at(-1)!;
  return {
    head: ["made with", ""],
    rows: [
      ["swirl-rl", session.package],
      ["Node", `${session.node}, ${session.platform}`],
      ["native addon", session.addon ?? "none"],
      ["device", session.device ?? "none"],
      [
        "seeds",
        Object.entries(manifest.seeds)
          .map(([name, seed]) => `${name} ${seed}`)
          .join(", ") || "none",
      ],
      ["sessions", manifest.sessions.map((each) => each.startedAt).join(", ")],
      ...Object.entries(manifest.inputs).map(([name, input]) => [
        `input: ${name}`,
        `${input.path}, ${input.bytes} bytes, SHA-256 ${input.sha256.slice(0, 16)}…`,
      ]),
    ],
  };
}

export function gainText(gain: ReportData["gains"][number]): string {
  const { value, low, high, n } = gain.accuracy;
  const verdict =
    low > 0
      ? "the interval excludes 0"
      : high < 0
        ? "the interval excludes 0: it got worse"
        : "the interval includes 0";
  return `${gain.from} → ${gain.to}: ${points(value)} points of accuracy [${points(low)}, ${points(high)}] on ${n} questions; ${verdict}`;
}

export function percent({ value, low, high }: Pick<Estimate, "value" | "low" | "high">): string {
  if (!Number.isFinite(value)) return "–";
  return `${share(value)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
}

function share(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)}%` : "–";
}

function points(value: number): string {
  const rounded = (100 * value).toFixed(1);
  return value > 0 ? `+${rounded}` : rounded.replace("-", "−");
}

/** Tables of what is known; none for a run of which nothing is. */
export function costTables({ stages, training, judged }: Cost): { title: string; table: Table }[] {
  const count = (value: number | undefined) => (value === undefined ? "–" : value.toLocaleString("en-US"));
  const phases = PHASES.filter((name) =>
    training.some(({ seconds }) => seconds.some((each) => each.name === name)),
  );
  const tables = [
    {
      title: "Seconds by stage",
      table: {
        head: ["stage", "seconds"],
        rows: [
          ...stages.map(({ name, seconds }) => [name, seconds.toFixed(1)]),
          ["all", stages.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(1)],
        ],
      },
      known: stages.length > 0,
    },
    {
      title: "Training",
      table: {
        head: [
          "",
          "updates",
          "tokens trained on",
          "rows computed",
          ...phases.map((name) => `${name}, seconds`),
        ],
        rows: training.map(({ name, updates, tokens, treeTokens, seconds }) => [
          name,
          count(updates),
          count(tokens),
          count(treeTokens),
          ...phases.map((phase) => seconds.find((each) => each.name === phase)?.seconds.toFixed(1) ?? "–"),
        ]),
      },
      known: training.length > 0,
    },
    {
      title: "Judgments",
      table: {
        head: ["of", "judgments", "replies read", "failed"],
        rows: judged.map(({ name, verdicts, replies, failed }) => [
          name,
          count(verdicts),
          count(replies),
          count(failed),
        ]),
      },
      known: judged.length > 0,
    },
  ];
  return tables.flatMap(({ known, title, table }) => (known ? [{ title, table }] : []));
}

export function changesText({
  better,
  worse,
  same,
}: {
  better: number;
  worse: number;
  same: number;
}): string {
  return `${better} questions were wrong and are right, ${worse} were right and are wrong, ${same} stayed as they were`;
}
