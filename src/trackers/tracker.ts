/**
 * Trackers: services that show a run's metrics, in addition to its own metrics.jsonl. A tracker gets the run, its
 * metrics and tables of samples. It may be slow, unavailable or broken: see tracker-queue.ts.
 */
import { z } from "zod";

/** The trackers that exist by name: those of TRL's `report_to` that a Node program can feed, and "jsonl". */
export const TRACKERS = [
  "tensorboard",
  "wandb",
  "mlflow",
  "trackio",
  "jsonl",
] as const satisfies TrackerName[];
/** A tracker by name. */
export type TrackerName = "tensorboard" | "wandb" | "mlflow" | "trackio" | "jsonl";

/** One run of a stage, as a tracker sees it. */
export interface TrackedRun {
  /** The same for every session of a resumed run; letters, digits and hyphens. */
  id: string;
  /** Name to display: `runs-folder/train`. */
  name: string;
  /** The stage, or the name given as `tracking.run`; safe as the name of a folder. */
  run: string;
  /** The project or experiment that the run belongs to. */
  project: string;
  /** The run's options as plain JSON, without secrets. */
  config: Record<string, unknown>;
  /** Updates that an earlier session has logged and that are kept; later ones are logged again. */
  resumedFrom: number;
  /** Folder for trackers that write files. */
  folder: string | undefined;
}

/** The numbers of one update. */
export interface TrackedMetrics {
  /** The update, counted from 1; 0 for an evaluation. */
  step: number;
  /** Milliseconds since 1970. */
  time: number;
  /** Finite numbers by name, `train/reward` for example. */
  metrics: Record<string, number>;
}

/** A value in a table of samples. */
export type TrackedCell = string | number | boolean | null;

/** Samples of an update or an evaluation. */
export interface TrackedTable {
  /** Name of the table: `completions`, `trajectories`. */
  name: string;
  /** The update, as in {@link TrackedMetrics}. */
  step: number;
  /** Milliseconds since 1970. */
  time: number;
  /** Headings. */
  columns: string[];
  /** One value per heading. */
  rows: TrackedCell[][];
}

/** How a run ended. */
export type TrackedEnd = "finished" | "failed" | "aborted";

/** What a tracker's call gets in addition to its data. */
export interface TrackerCall {
  /** Aborted when the call has taken too long. Its result is then ignored, and the call is repeated. */
  signal: AbortSignal;
}

/**
 * A tracker of your own. Calls come one after the other and are never awaited by the training; a call that throws or
 * does not end in time is repeated, so it should be idempotent.
 *
 * @example
 * const tracker: Tracker = {
 *   name: "stdout",
 *   begin: ({ name }) => console.log(name),
 *   log: (entries) => { for (const { step, metrics } of entries) console.log(step, metrics["train/reward"]); },
 *   finish: (end) => console.log(end),
 * };
 */
export interface Tracker {
  /** Names it in messages. */
  readonly name: string;
  /** Called before the work begins. An error from it ends the run: use it for mistakes that the user has to fix. */
  check?(run: TrackedRun): void | Promise<void>;
  /** Begins the run, or resumes it. A returned text, such as the page of the run, is shown as a note. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a tracker need not return anything
  begin(run: TrackedRun, call: TrackerCall): string | undefined | void | Promise<string | undefined | void>;
  /** Logs one update or several, oldest first. */
  log(entries: readonly TrackedMetrics[], call: TrackerCall): void | Promise<void>;
  /** Logs a table. Without it tables are left out. */
  table?(table: TrackedTable, call: TrackerCall): void | Promise<void>;
  /** Ends the run. */
  finish(end: TrackedEnd, call: TrackerCall): void | Promise<void>;
}

const ownTracker = z.custom<Tracker>(
  (value) =>
    typeof (value as Tracker | null)?.name === "string" &&
    ["begin", "log", "finish"].every(
      (method) => typeof (value as unknown as Record<string, unknown>)[method] === "function",
    ),
  { message: `must be ${TRACKERS.join(", ")}, or a tracker { name, begin, log, finish }` },
);

export const trackersSchema = z.array(
  z.union([z.enum(TRACKERS), ownTracker], {
    error: `must be ${TRACKERS.join(", ")}, or a tracker { name, begin, log, finish }`,
  }),
);

export const trackingSchema = z.strictObject({
  folder: z.string().min(1).optional(),
  project: z.string().min(1).max(128).optional(),
  name: z.string().min(1).max(128).optional(),
  run: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "letters, digits, dots, hyphens and underscores, at most 64")
    .refine((name) => !/^\.+$/.test(name), "must be a name")
    .optional(),
  id: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, "letters, digits and hyphens, at most 64")
    .optional(),
  config: z.record(z.string(), z.unknown()).optional(),
  samples: z.int().min(0).max(1000).default(16),
  samplesEvery: z.int().min(1).default(20),
});

/** What trackers get about a run. */
export interface TrackingOptions {
  /**
   * Folder for what "tensorboard" and "jsonl" write, and for tracking.json, which identifies a resumed run as the same
   * run. Without it such trackers are rejected, and every call is a run of its own unless `id` is given.
   */
  folder?: string | undefined;
  /** The project or experiment. WANDB_PROJECT, MLFLOW_EXPERIMENT_NAME or TRACKIO_PROJECT, else "swirl-rl". */
  project?: string | undefined;
  /** Name to display: `name/run`. The name of `folder` unless given. */
  name?: string | undefined;
  /** The name of this stage among the runs of `name`: "train", "sft" or "evaluate" unless given. */
  run?: string | undefined;
  /** Identifies the run to a tracker, so that another session continues it. Kept in `folder` unless given. */
  id?: string | undefined;
  /** Shown as the run's configuration; the options of the stage unless given. Secrets are removed. */
  config?: Record<string, unknown> | undefined;
  /** Rows of a table of samples, 0 … 1,000; 0 = no tables. @default 16 */
  samples?: number | undefined;
  /** Updates between two tables of samples. @default 20 */
  samplesEvery?: number | undefined;
}
