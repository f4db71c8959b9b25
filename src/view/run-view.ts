/**
 * One run directory as the page sees it: its files, each read once and followed as it grows. Nothing is written and no
 * lock is taken, so a run in progress is not disturbed.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { exactMatcher, f1Matcher, numericMatcher } from "../answers/matchers.js";
import { readJson } from "../files/json-file.js";
import { type FilterTable, filterTableSchema } from "../filter/filter-table.js";
import { byStage, evaluationStages } from "../run-directory/evaluations.js";
import { type RunPaths, runPaths } from "../run-directory/layout.js";
import { ActionLog } from "./action-log.js";
import { Curves } from "./curves.js";
import { JsonlTail } from "./jsonl-tail.js";
import { summaryOf, type TableSummary } from "./table-summary.js";
import { TrajectoryTable } from "./trajectory-table.js";
import { VerdictBook } from "./verdict-book.js";

/** A run whose files changed within this many milliseconds is shown as live. */
const LIVE_MS = 30_000;
const NOT_TABLES = new Set(["verdicts.jsonl", "metrics.jsonl", "sft-metrics.jsonl", "actions.jsonl"]);

export interface RunOverview {
  id: number;
  name: string;
  folder: string;
  live: boolean;
  modified: number;
  manifest: unknown;
  config: unknown;
  stages: string[];
  filter: FilterTable | undefined;
  /** Whether there is a kept.jsonl, which tells which trajectories the filter kept. */
  hasKept: boolean;
  tables: TableSummary[];
  metrics: { rows: number; damaged: number };
  sftMetrics: { rows: number; damaged: number };
  actions: { rows: number; damaged: number };
  verdicts: { size: number; damaged: number; judges: readonly string[] };
  /** Files that could not be read, with the reason. */
  problems: string[];
}

export class RunView {
  readonly id: number;
  readonly folder: string;
  readonly name: string;
  readonly paths: RunPaths;
  readonly metrics: Curves;
  readonly sftMetrics: Curves;
  readonly actions: ActionLog;
  readonly verdicts: VerdictBook;
  readonly tables = new Map<string, TrajectoryTable>();
  /** Number of changes seen so far. */
  version = 0;
  readonly #kept = new Set<string>();
  readonly #keptTail: JsonlTail;
  readonly #json = new Map<string, { modified: number; value: unknown }>();
  readonly #problems = new Map<string, string>();
  #order: string[] = [];
  #refreshing: Promise<boolean> | undefined;

  constructor(id: number, folder: string, name = basename(folder)) {
    this.id = id;
    this.folder = folder;
    this.name = name;
    this.paths = runPaths(folder);
    this.metrics = new Curves(this.paths.metrics);
    this.sftMetrics = new Curves(this.paths.sftMetrics);
    this.actions = new ActionLog(this.paths.actions);
    this.verdicts = new VerdictBook(this.paths.verdicts);
    this.#keptTail = new JsonlTail(this.paths.kept, {
      onRecord: (value) => {
        const id = (value as { id?: unknown } | null)?.id;
        if (typeof id === "string") this.#kept.add(id);
      },
      onDamaged: () => {},
      onReset: () => this.#kept.clear(),
    });
  }

  /**
   * Reads what is new. Resolves to whether there was anything. One refresh runs at a time; a second caller waits for
   * the first.
   */
  refresh(signal?: AbortSignal): Promise<boolean> {
    this.#refreshing ??= this.#refresh(signal).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(signal?: AbortSignal): Promise<boolean> {
    let changed = await this.#discover();
    // Small files first: the page shows them while large ones are read.
    const sources: [file: string, poll: () => Promise<boolean>][] = [
      [this.paths.manifest, () => this.#readJson(this.paths.manifest)],
      [this.paths.config, () => this.#readJson(this.paths.config)],
      [this.paths.stages, () => this.#readJson(this.paths.stages)],
      [this.paths.filter, () => this.#readJson(this.paths.filter, filterTableSchema)],
      [this.paths.metrics, () => this.metrics.tail.poll(signal)],
      [this.paths.sftMetrics, () => this.sftMetrics.tail.poll(signal)],
      [this.paths.actions, () => this.actions.tail.poll(signal)],
      [this.paths.verdicts, () => this.verdicts.tail.poll(signal)],
      ...this.#order.map((name): [string, () => Promise<boolean>] => [
        join(this.folder, `${name}.jsonl`),
        () => this.tables.get(name)!.poll(signal),
      ]),
      [this.paths.kept, () => this.#keptTail.poll(signal)],
    ];
    for (const [file, poll] of sources) {
      signal?.throwIfAborted();
      try {
        if (await poll()) {
          this.version++;
          changed = true;
        }
        this.#problems.delete(file);
      } catch (error) {
        if (signal?.aborted) throw error;
        const why = (error as Error).message;
        if (this.#problems.get(file) !== why) changed = true;
        this.#problems.set(file, why);
      }
      await turn();
    }
    if (changed) this.version++;
    return changed;
  }

  /** Tables in the order of a run: evaluations as they are made, then stage 1, then other files. */
  get tableNames(): readonly string[] {
    return this.#order;
  }

  overview(): RunOverview {
    const { metrics, sftMetrics, actions, verdicts } = this;
    const tails = [metrics.tail, sftMetrics.tail, actions.tail, verdicts.tail];
    for (const table of this.tables.values()) tails.push(table.tail);
    const modified = Math.max(0, ...tails.map(({ state }) => state.modified));
    const stages = this.#json.get(this.paths.stages)?.value;
    return {
      id: this.id,
      name: this.name,
      folder: this.folder,
      live: Date.now() - modified < LIVE_MS,
      modified,
      manifest: this.#json.get(this.paths.manifest)?.value,
      config: this.#json.get(this.paths.config)?.value,
      stages: typeof stages === "object" && stages !== null ? Object.keys(stages) : [],
      filter: this.#json.get(this.paths.filter)?.value as FilterTable | undefined,
      hasKept: this.#keptTail.state.exists,
      tables: this.#order
        .map((name) => summaryOf(name, this.tables.get(name)!))
        .filter(({ rows, damaged }) => rows + damaged > 0),
      metrics: { rows: metrics.rows, damaged: metrics.damaged },
      sftMetrics: { rows: sftMetrics.rows, damaged: sftMetrics.damaged },
      actions: { rows: actions.steps.length, damaged: actions.damaged },
      verdicts: { size: verdicts.size, damaged: verdicts.damaged, judges: verdicts.judges },
      problems: [...this.#problems.values()],
    };
  }

  /** Folders that may hold the tokenizer of the policy, most likely first. */
  tokenizerFolders(): string[] {
    const { policy, checkpoints, sftCheckpoints } = this.paths;
    const model = (this.#json.get(this.paths.config)?.value as { model?: unknown } | undefined)?.model;
    return [
      policy,
      join(checkpoints, "latest"),
      join(sftCheckpoints, "latest"),
      join(this.folder, "sft-policy"),
      join(this.folder, "new-policy"),
      ...(typeof model === "string" ? [model] : []),
    ];
  }

  /** The matcher of the run's task, or the one that its evaluations name. */
  matcher(): AnswerMatcher | undefined {
    const evaluations = [...this.tables.values()].filter(({ kind }) => kind === "evaluation");
    const named = evaluations.map(({ rows }) => rows[0]?.matcher).find((id) => id !== undefined);
    if (named !== undefined) return builtInMatcher(named);
    const config = this.#json.get(this.paths.config)?.value as { task?: { kind?: unknown } } | undefined;
    const kind = config?.task?.kind;
    return kind === "calculator" ? numericMatcher() : kind === "search" ? exactMatcher() : undefined;
  }

  kept(): ReadonlySet<string> | undefined {
    return this.#keptTail.state.exists ? this.#kept : undefined;
  }

  /** Finds new files of trajectories. */
  async #discover(): Promise<boolean> {
    let names: string[];
    try {
      names = (await readdir(this.folder)).filter((name) => name.endsWith(".jsonl") && !NOT_TABLES.has(name));
      this.#problems.delete(this.folder);
    } catch (error) {
      this.#problems.set(this.folder, (error as Error).message);
      return false;
    }
    const stages = (await evaluationStages(this.folder)).map((stage) => `evaluation-${stage}`);
    const found = new Set(names.map((name) => name.slice(0, -".jsonl".length)));
    const others = [...found].filter(
      (name) => !stages.includes(name) && name !== "trajectories" && name !== "kept",
    );
    const order = [...stages, "trajectories", ...others.sort(byStage), "kept"].filter((name) =>
      found.has(name),
    );
    // kept.jsonl repeats trajectories.jsonl: it is a table only if the pool itself is missing.
    this.#order = order.filter((name) => name !== "kept" || !found.has("trajectories"));
    let changed = false;
    for (const name of this.#order) {
      if (this.tables.has(name)) continue;
      this.tables.set(
        name,
        new TrajectoryTable(join(this.folder, `${name}.jsonl`), {
          verdicts: name === "trajectories" || name === "kept" ? this.verdicts : undefined,
          matcher: () => this.matcher(),
          kept: () => (name === "trajectories" ? this.kept() : undefined),
        }),
      );
      changed = true;
    }
    return changed;
  }

  async #readJson(file: string, schema: z.ZodType = z.unknown()): Promise<boolean> {
    const modified = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    const before = this.#json.get(file);
    if (before?.modified === modified || (modified === 0 && !before)) return false;
    const value =
      modified === 0 ? undefined : await readJson(file, schema, "the page shows the run without it");
    this.#json.set(file, { modified, value });
    return true;
  }
}

/** The matcher with an id from a record; undefined for one that is not built in. */
function builtInMatcher(id: string): AnswerMatcher | undefined {
  const threshold = /^f1>=(0(?:\.\d+)?|1)$/.exec(id)?.[1];
  if (threshold !== undefined) return f1Matcher(Number(threshold));
  return [numericMatcher(), exactMatcher()].find((matcher) => matcher.id === id);
}
