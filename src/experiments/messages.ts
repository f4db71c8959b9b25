/** What the scheduler and its workers say to each other. */
import type { Cell, CellResult } from "./cell.js";
import type { StudyOptions } from "./studies.js";

export type ToWorker =
  | {
      kind: "work";
      study: StudyOptions;
      cell: Cell;
      /** The folder of the study. */
      root: string;
      /** Keys of the cells of this seed, by id. */
      keys: Record<string, string>;
      threads: number;
    }
  /** Keep what is done and give the cell up. */
  | { kind: "stop" };

export type FromWorker =
  | { kind: "ready" }
  | { kind: "progress"; done: number; total: number | undefined }
  | { kind: "done"; result: CellResult }
  | { kind: "failed"; aborted: boolean; error: string };
