/** A file of trajectories in numbers: how much of it has been read, and an evaluation's rates with 95 % intervals. */
import { groupedShareInterval, wilsonInterval } from "../statistics/interval.js";
import type { TrajectoryTable } from "./trajectory-table.js";

export interface TableSummary {
  /** Name of the file, without its ending. */
  name: string;
  kind: "trajectory" | "evaluation" | undefined;
  generation: number;
  rows: number;
  damaged: number;
  problems: { line: number; why: string }[];
  /** Bytes of an unfinished last line. */
  pending: number;
  /** Share of the file that has been read, 0 to 1. */
  progress: number;
  judge: string | undefined;
  accuracy?: Rate | undefined;
  processLabel?: Rate | undefined;
  toolCalls?: number | undefined;
}

export interface Rate {
  value: number;
  low: number;
  high: number;
  n: number;
}

/** `name`: of the file, without its ending. */
export function summaryOf(name: string, table: TrajectoryTable): TableSummary {
  const { kind, generation, rows, damaged, problems, tail } = table;
  const { offset, size, pending } = tail.state;
  const summary: TableSummary = {
    name,
    kind,
    generation,
    rows: rows.length,
    damaged,
    problems,
    pending,
    progress: size === 0 ? 1 : Math.min(1, (offset + pending) / size),
    judge: table.judge(),
  };
  if (kind !== "evaluation" || rows.length === 0) return summary;
  const decided = rows.filter(({ correct }) => correct !== null);
  const right = decided.filter(({ correct }) => correct).length;
  summary.accuracy = {
    value: decided.length === 0 ? 0 : right / decided.length,
    n: decided.length,
    ...wilsonInterval(right, decided.length),
  };
  summary.toolCalls = rows.reduce((sum, row) => sum + row.calls, 0) / rows.length;
  const groups = rows.flatMap(({ marks }) => {
    if (!marks) return [];
    const good = marks.filter((mark) => mark === "G").length;
    return [{ successes: good, trials: good + marks.filter((mark) => mark === "B").length }];
  });
  if (groups.some(({ trials }) => trials > 0)) {
    const { share, low, high } = groupedShareInterval(groups);
    summary.processLabel = { value: share, low, high, n: groups.filter(({ trials }) => trials > 0).length };
  }
  return summary;
}
