/** Reads the data of a report from a run directory. A stage that did not run is absent, which is not an error. */

import { access, readdir } from "node:fs/promises";
import { z } from "zod";
import { type EvaluationRecord, readEvaluations } from "../evaluate/evaluation-record.js";
import { type Estimate, type EvaluationSummary, improvement, summarize } from "../evaluate/summary.js";
import { readJson } from "../files/json-file.js";
import { readJsonLines } from "../files/jsonl-reader.js";
import { type FilterTable, filterTableSchema } from "../filter/filter-table.js";
import { evaluationStages } from "../run-directory/evaluations.js";
import { runPaths } from "../run-directory/layout.js";
import type { Manifest } from "../run-directory/manifest.js";
import { readManifest } from "../run-directory/run-directory.js";
import { type Cost, readCost } from "./report-cost.js";

export interface Series {
  name: string;
  title: string;
  points: { x: number; y: number }[];
}

export interface EvaluatedStage {
  name: string;
  records: EvaluationRecord[];
  summary: EvaluationSummary;
}

/** The same question under the first and the last evaluated policy. */
export interface SamplePair {
  what: string; // "was wrong, is right"
  first: EvaluationRecord;
  last: EvaluationRecord;
}

/** A run's policies on one set of questions. */
export interface EvaluatedSet {
  stages: EvaluatedStage[];
  /** Accuracy of each stage minus that of the stage before it. */
  gains: { from: string; to: string; accuracy: Estimate }[];
}

export interface ReportData extends EvaluatedSet {
  title: string;
  manifest: Manifest | undefined;
  config: unknown;
  series: Series[];
  filter: FilterTable | undefined;
  /** Further sets of questions. */
  sets: (EvaluatedSet & { name: string })[];
  samples: SamplePair[];
  /** Questions by how their answer changed from the first evaluation to the last; undefined with fewer than two. */
  changes: Changes | undefined;
  cost: Cost;
}

export interface Changes {
  /** Was wrong, is right. */
  better: number;
  /** Was right, is wrong. */
  worse: number;
  /** Right both times, or wrong both times. */
  same: number;
}

/** Metrics worth a curve, in this order. */
const CURVES: readonly (readonly [key: string, title: string])[] = [
  ["reward", "Reward of fresh actions"],
  ["reward_std", "Standard deviation of the reward within a state"],
  ["kl", "KL to the reference policy, nats per token"],
  ["entropy", "Entropy, nats per token"],
  ["completions/mean_length", "Length of fresh actions, tokens"],
  ["loss", "Loss"],
  ["grad_norm", "Gradient norm before clipping"],
];

export async function readReportData(dir: string, title?: string): Promise<ReportData> {
  const paths = runPaths(dir);
  const manifest = await readManifest(paths.manifest);
  const metrics = await readMetrics(paths.metrics);
  const sft = await readMetrics(paths.sftMetrics);
  const stages = await readStages(dir);
  return {
    title: title ?? manifest?.name ?? "run",
    manifest,
    config: await readJson(
      paths.config,
      z.unknown(),
      "restore it, or remove it: the report then shows no config",
    ),
    series: [
      ...curve(sft, "loss", "sft/loss", "SFT loss"),
      ...CURVES.flatMap(([key, name]) => curve(metrics, key, key, name)),
      ...validationKeys(metrics).flatMap((key) =>
        curve(metrics, key, key, `Validation: ${key.slice("validation/".length)}`),
      ),
    ],
    filter: await readJson(paths.filter, filterTableSchema, "run `swirl filter` again: it writes this file"),
    stages,
    gains: gainsOf(stages),
    sets: await readSets(dir),
    samples: stages.length >= 2 ? pickSamples(stages[0]!.records, stages.at(-1)!.records) : [],
    changes: stages.length >= 2 ? changesOf(stages[0]!.records, stages.at(-1)!.records) : undefined,
    cost: await readCost(paths, { metrics, sft, stages }),
  };
}

/** In the order of their names; a set that no stage has evaluated is left out. */
async function readSets(dir: string): Promise<ReportData["sets"]> {
  const folder = runPaths(dir).set(".");
  const names = (await exists(folder)) ? (await readdir(folder)).sort() : [];
  const sets: ReportData["sets"] = [];
  for (const name of names) {
    const stages = await readStages(runPaths(dir).set(name));
    if (stages.length > 0) sets.push({ name, stages, gains: gainsOf(stages) });
  }
  return sets;
}

function gainsOf(stages: readonly EvaluatedStage[]): EvaluatedSet["gains"] {
  return stages.slice(1).flatMap((stage, i) => {
    const gain = improvement(stages[i]!.records, stage.records);
    return gain ? [{ from: stages[i]!.name, to: stage.name, accuracy: gain.accuracy }] : [];
  });
}

async function readStages(dir: string): Promise<EvaluatedStage[]> {
  const stages: EvaluatedStage[] = [];
  for (const name of await evaluationStages(dir)) {
    const records: EvaluationRecord[] = [];
    for await (const record of readEvaluations(runPaths(dir).evaluation(name))) records.push(record);
    if (records.length > 0) stages.push({ name, records, summary: summarize(records) });
  }
  return stages;
}

/** Samples of each change. */
const MOST_CHANGED = 5;

/**
 * Questions that changed, for the better and the worse, then one that stayed right and one that stayed wrong: the first
 * of each, so that none is hand-picked.
 */
export function pickSamples(
  first: readonly EvaluationRecord[],
  last: readonly EvaluationRecord[],
): SamplePair[] {
  const later = new Map(last.map((record) => [record.id, record]));
  const find = (count: number, what: string, is: (before: boolean, after: boolean) => boolean) => {
    const found: SamplePair[] = [];
    for (const record of first) {
      const other = later.get(record.id);
      if (!other || record.correct === null || other.correct === null) continue;
      if (is(record.correct, other.correct)) found.push({ what, first: record, last: other });
      if (found.length === count) break;
    }
    return found;
  };
  return [
    ...find(MOST_CHANGED, "was wrong, is right", (before, after) => !before && after),
    ...find(MOST_CHANGED, "was right, is wrong", (before, after) => before && !after),
    ...find(1, "right both times", (before, after) => before && after),
    ...find(1, "wrong both times", (before, after) => !before && !after),
  ];
}

function changesOf(first: readonly EvaluationRecord[], last: readonly EvaluationRecord[]): Changes {
  const later = new Map(last.map(({ id, correct }) => [id, correct]));
  const changes: Changes = { better: 0, worse: 0, same: 0 };
  for (const { id, correct } of first) {
    const other = later.get(id) ?? null;
    if (correct === null || other === null) continue;
    changes[correct === other ? "same" : other ? "better" : "worse"]++;
  }
  return changes;
}

function curve(rows: readonly Record<string, unknown>[], key: string, name: string, title: string): Series[] {
  const points = rows.flatMap((row) => {
    const x = row.step;
    const y = row[key];
    return typeof x === "number" && typeof y === "number" && Number.isFinite(y) ? [{ x, y }] : [];
  });
  return points.length < 2 ? [] : [{ name, title, points }];
}

function validationKeys(rows: readonly Record<string, unknown>[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => key.startsWith("validation/"));
}

async function readMetrics(file: string): Promise<Record<string, unknown>[]> {
  if (!(await exists(file))) return [];
  const rows: Record<string, unknown>[] = [];
  // A run may be reported while it trains: its last line may not be whole yet.
  for await (const { value } of readJsonLines(file, { onTorn: () => {} }))
    rows.push(value as Record<string, unknown>);
  return rows;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
