/** How many trajectories each filter keeps of the same pool, and why it drops the rest: as data, and as text. */

import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { FILTER_KINDS, FILTER_REASONS, type FilterKind, type FilterReason } from "./filter-reasons.js";

export type { FilterKind, FilterReason };

/** What one filter keeps of the pool. */
export interface FilterRow {
  /** The filter. */
  kind: FilterKind;
  /** Trajectories kept. */
  kept: number;
  /** Trajectories dropped, by reason. */
  dropped: Partial<Record<FilterReason, number>>;
}

/** What every filter keeps of one pool of trajectories. */
export interface FilterTable {
  /** Trajectories in the pool. */
  pool: number;
  /** The filter that was applied. */
  applied: FilterKind;
  /** One row for every filter that can be computed from the given verdicts and matcher. */
  rows: FilterRow[];
  /** Trajectories in the result: the applied row's `kept`, or `equalN`. */
  handedOn: number;
}

const count = z.int().min(0);

export const filterRowSchema = z.strictObject({
  kind: z.enum(FILTER_KINDS),
  kept: count,
  dropped: z.partialRecord(z.enum(FILTER_REASONS), count),
});

export const filterTableSchema = z.strictObject({
  pool: count,
  applied: z.enum(FILTER_KINDS),
  rows: z.array(filterRowSchema),
  handedOn: count,
});

export function emptyTable(applied: FilterKind): FilterTable {
  return { pool: 0, applied, rows: [], handedOn: 0 };
}

/** Counts one trajectory; `reasons` has a key for every filter that can be computed. */
export function countInto(
  table: FilterTable,
  reasons: Partial<Record<FilterKind, FilterReason | "kept">>,
): void {
  table.pool++;
  for (const [kind, reason] of Object.entries(reasons) as [FilterKind, FilterReason | "kept"][]) {
    let row = table.rows.find((candidate) => candidate.kind === kind);
    if (!row) {
      row = { kind, kept: 0, dropped: {} };
      table.rows.push(row);
    }
    if (reason === "kept") row.kept++;
    else row.dropped[reason] = (row.dropped[reason] ?? 0) + 1;
  }
}

/** The table as aligned text: one line per filter, one column per reason that occurs. `*` marks the applied filter. */
export function formatFilterTable(table: FilterTable): string {
  return ofArguments("formatFilterTable", "the table of filterTrajectories", () => {
    const reasons = [...new Set(table.rows.flatMap((row) => Object.keys(row.dropped)))] as FilterReason[];
    const share = (count: number) =>
      table.pool === 0 ? "" : ` (${Math.round((100 * count) / table.pool)}%)`;
    const lines = [
      ["filter", "kept", ...reasons],
      ...table.rows.map((row) => [
        `${row.kind}${row.kind === table.applied ? " *" : ""}`,
        `${row.kept}${share(row.kept)}`,
        ...reasons.map((reason) => String(row.dropped[reason] ?? 0)),
      ]),
    ];
    const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
    const text = lines.map((line) =>
      line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    );
    const summary = `${table.pool} trajectories; ${table.handedOn} kept by ${table.applied}`;
    return [...text, summary].join("\n");
  });
}
