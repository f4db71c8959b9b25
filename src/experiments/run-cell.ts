/**
 * Computes one cell in its folder. An interrupted cell goes on from its last checkpoint or its last whole record, and
 * comes out as if it had not been interrupted.
 */
import { throwIfAborted } from "../async/map-concurrent.js";
import type { Cell, CellResult, CellWork, FiguresOf } from "./cell.js";
import type { CellFolder } from "./cell-folder.js";
import { imitate } from "./cells/imitate.js";
import { measure } from "./cells/measure.js";
import { select } from "./cells/select.js";
import { sftOnSelection } from "./cells/sft-on-selection.js";
import { swirl } from "./cells/swirl.js";
import { synthesizePool } from "./cells/synthesize-pool.js";
import type { Testbed } from "./testbed.js";

export interface CellContext {
  seed: number;
  testbed: Testbed;
  folder: CellFolder;
  /** The folder of a finished cell that this one builds on. */
  input: (id: string) => CellFolder;
  signal: AbortSignal;
  onProgress: (done: number, total: number | undefined) => void;
}

export async function runCell(cell: Cell, context: CellContext): Promise<CellResult> {
  const { folder, signal } = context;
  throwIfAborted(signal);
  await folder.open();
  const known = await folder.result();
  if (known) return known;
  const before = await folder.spent();
  const started = performance.now();
  const usage = process.cpuUsage();
  const spent = () => {
    const { user, system } = process.cpuUsage(usage);
    return {
      seconds: round(before.seconds + (performance.now() - started) / 1000),
      processorSeconds: round(before.processorSeconds + (user + system) / 1e6),
    };
  };
  try {
    const figures = await compute(cell.work, context);
    const { id, seed, work } = cell;
    const result: CellResult = { version: 1, id, seed, key: folder.key, work, figures, ...spent() };
    await folder.finish(result);
    await folder.remove("checkpoints", "spent.json");
    return result;
  } catch (error) {
    if (signal.aborted) await folder.spend(spent());
    throw error;
  }
}

function compute(work: CellWork, context: CellContext): Promise<FiguresOf[CellWork["kind"]]> {
  switch (work.kind) {
    case "imitate":
      return imitate(work, context);
    case "synthesize":
      return synthesizePool(work, context);
    case "select":
      return select(work, context);
    case "sft":
      return sftOnSelection(work, context);
    case "swirl":
      return swirl(work, context);
    case "measure":
      return measure(work, context);
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
