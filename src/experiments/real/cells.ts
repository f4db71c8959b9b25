/** Base → format SFT → SWiRL with the process filter and with the outcome filter, each measured on the test questions. */
import type { FilterKind } from "../../filter/filter-table.js";
import type { Cell, CellWork, PolicyId } from "../cell.js";
import type { RealSettings } from "./settings.js";

export const REAL_FILTERS = ["process", "outcome"] as const satisfies readonly FilterKind[];
/** Policies in the order of the table. */
export const REAL_ARMS: readonly { id: string; policy: PolicyId; title: string }[] = [
  { id: "untrained", policy: null, title: "untrained" },
  { id: "format SFT", policy: "format SFT", title: "after format SFT" },
  ...REAL_FILTERS.map((filter) => ({
    id: `swirl/${filter}`,
    policy: `swirl/${filter}`,
    title: `after SWiRL, ${filter} filter`,
  })),
];

export function realCells(seed: number, settings: RealSettings): Cell[] {
  const cells: Cell[] = [];
  const add = (id: string, work: CellWork) => cells.push({ id, seed, work });
  const measure = (id: string, policy: PolicyId) =>
    add(`measure ${id}`, { kind: "measure", policy, questions: "test", temperature: 0, keepThoughts: true });
  measure("untrained", null);
  add("format SFT", {
    kind: "imitate",
    demonstrations: "dataset",
    keepThoughts: true,
    sft: settings.imitation,
  });
  measure("format SFT", "format SFT");
  const { samples, kept: count, fill } = settings;
  add("pool", { kind: "synthesize", policy: "format SFT", questions: "train", samples, keepThoughts: true });
  for (const filter of REAL_FILTERS) {
    add(`kept/${filter}`, {
      kind: "select",
      pool: "pool",
      filter,
      count,
      ...(fill ? { fill } : { orAll: true }),
    });
    add(`swirl/${filter}`, {
      kind: "swirl",
      policy: "format SFT",
      selection: `kept/${filter}`,
      train: { ...settings.swirl, maxNewTokens: settings.maxNewTokens },
      reward: "judge",
      keepThoughts: true,
    });
    measure(`swirl/${filter}`, `swirl/${filter}`);
  }
  return cells;
}
