/** The trajectories of one file: rows that are appended as the file grows, and queries over them. */
import { open } from "node:fs/promises";
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { JsonlTail, type LinePlace, readLine, readLineOf } from "./jsonl-tail.js";
import { kindOf, rowOf, type StepMark, stepKeys, type TrajectoryRow } from "./trajectory-row.js";
import type { VerdictBook } from "./verdict-book.js";

/** Maximum problems that are listed; the others are counted. */
const MOST_PROBLEMS = 20;

export type Outcome = "right" | "wrong" | "unchecked" | "no answer";
export type VerdictClass = "good" | "bad" | "failed" | "none";

export interface RowFilter {
  /** Text that the question, the answer, the id or a call must contain, in any case. */
  search?: string | undefined;
  outcome?: Outcome | undefined;
  verdict?: VerdictClass | undefined;
  tool?: string | undefined;
  end?: string | undefined;
  kept?: boolean | undefined;
  minTokens?: number | undefined;
  maxTokens?: number | undefined;
  questionId?: string | undefined;
}

export const SORTS = ["line", "question", "steps", "calls", "tokens", "good", "time", "end"] as const;
export type Sort = (typeof SORTS)[number];

/** A row as the page gets it. */
export interface ShownRow {
  /** Index in the file's table; names the row in other requests. */
  row: number;
  id: string;
  question: string;
  answer: string | undefined;
  end: string;
  steps: number;
  calls: number;
  tokens: number | undefined;
  milliseconds: number;
  tools: string[];
  outcome: Outcome;
  marks: string;
  kept: boolean | undefined;
}

export interface TableSources {
  verdicts: VerdictBook | undefined;
  /** Decides right and wrong of trajectories without a recorded outcome; undefined when the run names no known one. */
  matcher: () => AnswerMatcher | undefined;
  /** Ids in kept.jsonl; undefined when there is no such file. */
  kept: () => ReadonlySet<string> | undefined;
}

export class TrajectoryTable {
  readonly tail: JsonlTail;
  readonly rows: TrajectoryRow[] = [];
  readonly problems: { line: number; why: string }[] = [];
  damaged = 0;
  kind: "trajectory" | "evaluation" | undefined;
  /** Changes when the file was replaced. */
  generation = 1;
  readonly #sources: TableSources;
  readonly #outcomes = new WeakMap<TrajectoryRow, { matcher: string; correct: boolean }>();

  constructor(file: string, sources: TableSources) {
    this.#sources = sources;
    this.tail = new JsonlTail(file, {
      onRecord: (value, place) => this.#add(value, place),
      onDamaged: (place, why) => this.#problem(place, why),
      onReset: () => {
        this.rows.length = 0;
        this.problems.length = 0;
        this.damaged = 0;
        this.kind = undefined;
        this.generation++;
      },
    });
  }

  /** Reads what was appended, then looks up the steps of judges that were not known before. */
  async poll(signal?: AbortSignal): Promise<boolean> {
    const grown = await this.tail.poll(signal);
    const matched = await this.#matchNewJudges(signal);
    return grown || matched;
  }

  /** The record of a row, as it is in the file. */
  read(row: number): Promise<unknown> | undefined {
    const found = this.rows[row];
    return found && readLine(this.tail.file, found.place);
  }

  /** The judge that judged the most steps here; undefined when none did. */
  judge(): string | undefined {
    if (this.kind === "evaluation") return this.rows.find((row) => row.judge)?.judge;
    const { verdicts } = this.#sources;
    if (!verdicts) return undefined;
    const judged = (judge: string) =>
      this.rows
        .slice(0, 200)
        .reduce(
          (sum, row) => sum + (row.keys.get(judge) ?? []).filter((key) => verdicts.mark(key) !== "-").length,
          0,
        );
    const counts = verdicts.judges.map((judge) => ({ judge, count: judged(judge) }));
    return counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count)[0]?.judge;
  }

  marks(row: TrajectoryRow, judge: string | undefined): StepMark[] {
    if (row.marks) return row.marks;
    const { verdicts } = this.#sources;
    if (judge === undefined || !verdicts) return new Array<StepMark>(row.steps).fill("-");
    const keys = row.keys.get(judge) ?? [];
    return Array.from({ length: row.steps }, (_, i) =>
      keys[i] === undefined ? "-" : verdicts.mark(keys[i]),
    );
  }

  outcome(row: TrajectoryRow): Outcome {
    if (row.correct !== undefined)
      return row.correct === null
        ? "unchecked"
        : row.correct
          ? "right"
          : row.answer === undefined
            ? "no answer"
            : "wrong";
    if (row.answer === undefined) return "no answer";
    const matcher = this.#sources.matcher();
    if (!row.candidate || !matcher) return "unchecked";
    let known = this.#outcomes.get(row);
    if (known?.matcher !== matcher.id) {
      const { answer, gold } = row.candidate;
      const verdict = matcher.match({ question: row.question, answer, gold });
      if (verdict instanceof Promise || verdict.status !== "ok") return "unchecked";
      known = { matcher: matcher.id, correct: verdict.correct };
      this.#outcomes.set(row, known);
    }
    return known.correct ? "right" : "wrong";
  }

  shown(index: number, judge: string | undefined): ShownRow {
    const row = this.rows[index]!;
    const kept = this.kind === "trajectory" ? this.#sources.kept() : undefined;
    const { id, question, answer, end, steps, calls, tokens, milliseconds, tools } = row;
    return {
      row: index,
      ...{ id, question, answer, end, steps, calls, tokens, milliseconds, tools },
      outcome: this.outcome(row),
      marks: this.marks(row, judge).join(""),
      kept: kept?.has(id),
    };
  }

  /** Indices of the rows that pass, in the order asked for. */
  query(filter: RowFilter, sort: Sort, descending: boolean): number[] {
    const judge = this.judge();
    const kept = this.#sources.kept();
    const search = filter.search?.toLowerCase();
    const passes = (row: TrajectoryRow) =>
      (search === undefined || row.search.includes(search)) &&
      (filter.end === undefined || row.end === filter.end) &&
      (filter.tool === undefined || row.tools.includes(filter.tool)) &&
      (filter.questionId === undefined || row.questionId === filter.questionId) &&
      (filter.minTokens === undefined || (row.tokens ?? 0) >= filter.minTokens) &&
      (filter.maxTokens === undefined || (row.tokens ?? 0) <= filter.maxTokens) &&
      (filter.kept === undefined || (kept?.has(row.id) ?? false) === filter.kept) &&
      (filter.outcome === undefined || this.outcome(row) === filter.outcome) &&
      (filter.verdict === undefined || verdictClass(this.marks(row, judge)) === filter.verdict);
    const found: number[] = [];
    for (const [index, row] of this.rows.entries()) if (passes(row)) found.push(index);
    if (sort !== "line") {
      const key = sortKey(sort, (row) => share(this.marks(row, judge)));
      const keys = new Map(found.map((index) => [index, key(this.rows[index]!)]));
      found.sort((a, b) => compare(keys.get(a)!, keys.get(b)!) || a - b);
    }
    return descending ? found.reverse() : found;
  }

  /** Number of rows of each kind, for the filters. */
  facets(): Record<"tools" | "ends" | "outcomes" | "verdicts", Record<string, number>> {
    const judge = this.judge();
    const facets = { tools: {}, ends: {}, outcomes: {}, verdicts: {} } as Record<
      string,
      Record<string, number>
    >;
    const count = (facet: string, name: string) => {
      const table = facets[facet]!;
      if (name in table || Object.keys(table).length < 50) table[name] = (table[name] ?? 0) + 1;
    };
    for (const row of this.rows) {
      for (const tool of row.tools) count("tools", tool);
      count("ends", row.end);
      count("outcomes", this.outcome(row));
      count("verdicts", verdictClass(this.marks(row, judge)));
    }
    return facets as ReturnType<TrajectoryTable["facets"]>;
  }

  #add(value: unknown, place: LinePlace): void {
    this.kind ??= kindOf(value);
    const row = rowOf(value, place, this.#sources.verdicts?.judges ?? []);
    if (typeof row === "string") this.#problem(place, row);
    else this.rows.push(row);
  }

  #problem({ line }: LinePlace, why: string): void {
    this.damaged++;
    if (this.problems.length < MOST_PROBLEMS) this.problems.push({ line, why });
  }

  /** A judge that appears after the trajectories were read needs one more pass over them. */
  async #matchNewJudges(signal: AbortSignal | undefined): Promise<boolean> {
    const judges = this.#sources.verdicts?.judges ?? [];
    if (this.kind !== "trajectory" || judges.length === 0) return false;
    const behind = this.rows.filter((row) => judges.some((judge) => !row.keys.has(judge)));
    if (behind.length === 0) return false;
    await using handle = await open(this.tail.file, "r");
    for (const row of behind) {
      signal?.throwIfAborted();
      const trajectory = (await readLineOf(handle, row.place)) as Trajectory;
      for (const judge of judges) if (!row.keys.has(judge)) row.keys.set(judge, stepKeys(judge, trajectory));
    }
    return true;
  }
}

export function verdictClass(marks: readonly StepMark[]): VerdictClass {
  if (marks.includes("B")) return "bad";
  if (marks.includes("F")) return "failed";
  return marks.length > 0 && marks.every((mark) => mark === "G") ? "good" : "none";
}

function share(marks: readonly StepMark[]): number {
  const judged = marks.filter((mark) => mark === "G" || mark === "B").length;
  return judged === 0 ? -1 : marks.filter((mark) => mark === "G").length / judged;
}

function sortKey(sort: Sort, good: (row: TrajectoryRow) => number): (row: TrajectoryRow) => number | string {
  switch (sort) {
    case "question":
      return (row) => row.question;
    case "end":
      return (row) => row.end;
    case "steps":
      return (row) => row.steps;
    case "calls":
      return (row) => row.calls;
    case "tokens":
      return (row) => row.tokens ?? -1;
    case "time":
      return (row) => row.milliseconds;
    case "good":
      return good;
    case "line":
      return (row) => row.place.line;
  }
}

function compare(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
