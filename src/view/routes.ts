/** The page's API: one function per address below /api/. Everything is read-only. */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { compareEvaluations } from "../evaluate/compare.js";
import type { Verdict } from "../judge/judge.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { RunView } from "./run-view.js";
import { journaledVerdicts, partsOfRecord, shownTrajectory } from "./shown-trajectory.js";
import { findTokenizer, tokenPieces } from "./token-pieces.js";
import { type RowFilter, SORTS, type TrajectoryTable } from "./trajectory-table.js";
import type { ViewRuns } from "./view-runs.js";

const MOST_ROWS = 200;

const whole = z.coerce.number().int().min(0);
const run = { run: whole };
const file = { ...run, file: z.string().max(300) };

const queries = {
  curves: z.object({ ...run, log: z.enum(["train", "sft"]).default("train"), from: whole.default(0) }),
  rows: z.object({
    ...file,
    offset: whole.default(0),
    limit: z.coerce.number().int().min(1).max(MOST_ROWS).default(100),
    sort: z.enum(SORTS).default("line"),
    descending: z.stringbool().default(false),
    search: z.string().max(300).optional(),
    outcome: z.enum(["right", "wrong", "unchecked", "no answer"]).optional(),
    verdict: z.enum(["good", "bad", "failed", "none"]).optional(),
    tool: z.string().max(400).optional(),
    end: z.string().max(100).optional(),
    kept: z.stringbool().optional(),
    minTokens: whole.optional(),
    maxTokens: whole.optional(),
  }),
  record: z.object({ ...file, row: whole }),
  question: z.object({
    question: z.string().max(2000),
    run: z.string().max(1000),
    file: z.string().max(300).optional(),
  }),
  actions: z.object({ ...run, step: whole }),
  compare: z.object({
    beforeRun: whole,
    beforeFile: z.string().max(300),
    afterRun: whole,
    afterFile: z.string().max(300),
    common: z.stringbool().default(false),
  }),
} as const;

export class Routes {
  readonly #runs: ViewRuns;
  readonly #tokenizers = new Map<number, Promise<Tokenizer | undefined>>();

  constructor(runs: ViewRuns) {
    this.#runs = runs;
  }

  /** The answer to a request, as JSON. @throws SwirlError INPUT for an address or a parameter that does not exist. */
  async answer(path: string, parameters: URLSearchParams): Promise<unknown> {
    const given = Object.fromEntries([...parameters].filter(([, value]) => value !== ""));
    switch (path) {
      case "runs":
        return { folders: this.#runs.folders, runs: this.#runs.runs.map((each) => each.overview()) };
      case "curves":
        return this.#curves(read(queries.curves, given));
      case "rows":
        return this.#rows(read(queries.rows, given));
      case "record":
        return await this.#record(read(queries.record, given));
      case "tokens":
        return await this.#tokens(read(queries.record, given));
      case "question":
        return this.#question(read(queries.question, given));
      case "steps":
        return { steps: this.#run(read(z.object(run), given).run).actions.steps };
      case "actions":
        return await this.#actions(read(queries.actions, given));
      case "compare":
        return this.#compare(read(queries.compare, given));
      default:
        throw new SwirlError("INPUT", `/api/${path.slice(0, 100)}: there is no such address`);
    }
  }

  #run(id: number): RunView {
    const found = this.#runs.runs[id];
    if (!found) throw new SwirlError("INPUT", `there is no run ${id}: there are ${this.#runs.runs.length}`);
    return found;
  }

  #table(id: number, name: string): TrajectoryTable {
    const found = this.#run(id).tables.get(name);
    if (!found) throw new SwirlError("INPUT", `run ${this.#run(id).name} has no file ${name}.jsonl`);
    return found;
  }

  #curves({ run: id, log, from }: z.output<typeof queries.curves>) {
    const { metrics, sftMetrics } = this.#run(id);
    return (log === "sft" ? sftMetrics : metrics).data(from);
  }

  #rows({ run: id, file: name, offset, limit, sort, descending, ...filter }: z.output<typeof queries.rows>) {
    const table = this.#table(id, name);
    const judge = table.judge();
    const found = table.query(filter as RowFilter, sort, descending);
    return {
      generation: table.generation,
      total: table.rows.length,
      matched: found.length,
      offset,
      judge,
      rows: found.slice(offset, offset + limit).map((row) => table.shown(row, judge)),
      ...(offset === 0 ? { facets: table.facets() } : {}),
    };
  }

  async #record({ run: id, file: name, row }: z.output<typeof queries.record>) {
    const table = this.#table(id, name);
    const { verdicts } = this.#run(id);
    const { trajectory, evaluation } = partsOfRecord(await this.#value(table, row));
    const judge = table.judge();
    const given = evaluation ? (evaluation.verdicts as Verdict[] | undefined) : undefined;
    const journaled =
      given || judge === undefined ? [] : await journaledVerdicts(verdicts, judge, trajectory);
    return {
      shown: table.shown(row, judge),
      judge,
      matcher: evaluation?.matcher ?? this.#run(id).matcher()?.id,
      error: evaluation?.error ?? trajectory.error,
      ...shownTrajectory(trajectory, given ?? journaled),
    };
  }

  /** The tokens of each step with their log-probs. */
  async #tokens({ run: id, file: name, row }: z.output<typeof queries.record>) {
    const { trajectory } = partsOfRecord(await this.#value(this.#table(id, name), row));
    const tokenizer = await this.#tokenizer(id);
    if (!tokenizer)
      return { problem: "No tokenizer.json was found in this run's policy folders or its config's model." };
    const steps = trajectory.steps.map(({ action = [], logprobs = [], text: spelled }) => {
      const pieces = action.length > 0 ? tokenPieces(tokenizer, action, spelled) : undefined;
      return pieces ? { pieces, logprobs } : null;
    });
    if (steps.every((step) => step === null))
      return {
        problem: trajectory.steps.some(({ action }) => action?.length)
          ? "The tokens do not spell these actions: they come from another tokenizer than the one in this run's folder."
          : "This policy recorded no tokens: an endpoint, or a demonstration.",
      };
    return { steps };
  }

  /** All records of one question in the evaluations and in stage 1 of several runs. */
  #question({ question, run: list, file: only }: z.output<typeof queries.question>) {
    const found: { run: number; runName: string; file: string; row: number }[] = [];
    for (const id of list.split(",").map(Number)) {
      const each = this.#run(id);
      for (const name of each.tableNames) {
        const table = each.tables.get(name)!;
        if (only === undefined ? table.kind !== "evaluation" : name !== only) continue;
        for (const [row, { questionId }] of table.rows.entries())
          if (questionId === question && found.length < 24)
            found.push({ run: id, runName: each.name, file: name, row });
      }
    }
    return { records: found };
  }

  async #actions({ run: id, step }: z.output<typeof queries.actions>) {
    const record = (await this.#run(id).actions.read(step)) as { states?: unknown[] } | undefined;
    if (!record) throw new SwirlError("INPUT", `update ${step} has no recorded actions`);
    const tokenizer = await this.#tokenizer(id);
    for (const state of (record.states ?? []) as { actions?: ActionShape[] }[])
      for (const action of state.actions ?? [])
        if (tokenizer && action.tokens)
          action.pieces = tokenPieces(tokenizer, action.tokens, action.text) ?? null;
    return record;
  }

  #compare({ beforeRun, beforeFile, afterRun, afterFile, common }: z.output<typeof queries.compare>) {
    const [first, second] = [this.#table(beforeRun, beforeFile), this.#table(afterRun, afterFile)];
    const records = (table: TrajectoryTable) =>
      table.rows.flatMap(({ questionId, question, matcher, correct }) =>
        correct === undefined
          ? []
          : [{ id: questionId, matcher: matcher!, correct, trajectory: { question } }],
      );
    const comparison = compareEvaluations(records(first), records(second), { common });
    const listed = (ids: readonly string[]) => {
      const at = (table: TrajectoryTable) => new Map(table.rows.map((row, index) => [row.questionId, index]));
      const [before, after] = [at(first), at(second)];
      return ids.slice(0, MOST_ROWS).map((id) => {
        const [b, a] = [before.get(id)!, after.get(id)!];
        const { question, answer } = first.rows[b]!;
        return {
          id,
          question,
          before: answer ?? null,
          after: second.rows[a]!.answer ?? null,
          beforeRow: b,
          afterRow: a,
        };
      });
    };
    return {
      ...comparison,
      gained: listed(comparison.gained),
      lost: listed(comparison.lost),
      gainedCount: comparison.gained.length,
      lostCount: comparison.lost.length,
    };
  }

  #tokenizer(id: number): Promise<Tokenizer | undefined> {
    const known = this.#tokenizers.get(id);
    if (known) return known;
    const loading = findTokenizer(this.#run(id).tokenizerFolders()).then(
      (found) => {
        if (!found) this.#tokenizers.delete(id); // it may appear later
        return found;
      },
      () => undefined, // a damaged tokenizer: the page is shown without tokens
    );
    this.#tokenizers.set(id, loading);
    return loading;
  }

  async #value(table: TrajectoryTable, row: number): Promise<unknown> {
    const reading = table.read(row);
    if (!reading)
      throw new SwirlError("INPUT", `there is no row ${row}: there are ${table.rows.length}`, {
        remedy: "the file was replaced meanwhile: open the table again",
      });
    return await reading;
  }
}

interface ActionShape {
  text: string;
  tokens?: number[];
  pieces?: string[] | null;
}

function read<Schema extends z.ZodType>(schema: Schema, given: Record<string, string>): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new SwirlError("INPUT", `${path.join(".")}: ${message}`);
}
