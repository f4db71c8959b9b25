/** The trackers of one run of a stage: opened before its work begins, given each update, closed with a deadline. */
import { randomBytes } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { readJson, writeJson } from "../files/json-file.js";
import { makeFolder } from "../files/make-folder.js";
import { callbackError } from "../options/schemas.js";
import { redact, redactText } from "../secrets/redact.js";
import { jsonlTracker } from "./jsonl-tracker.js";
import { trackedMetrics } from "./metric-names.js";
import { mlflowTracker } from "./mlflow-tracker.js";
import { pythonTracker } from "./python-tracker.js";
import { tensorboardTracker } from "./tensorboard-tracker.js";
import type {
  TrackedCell,
  TrackedEnd,
  TrackedRun,
  Tracker,
  TrackerName,
  TrackingOptions,
} from "./tracker.js";
import { QUEUE_LIMITS, type QueueLimits, TrackerQueue } from "./tracker-queue.js";

export interface OpenTracking {
  stage: "train" | "sft" | "evaluate";
  trackers: readonly (TrackerName | Tracker)[] | undefined;
  tracking: TrackingOptions | undefined;
  /** The stage's options; what is not plain JSON is left out. */
  config: Record<string, unknown>;
  resumedFrom: number;
  note: (text: string) => void;
  limits?: QueueLimits;
}

const FILE = "tracking.json";
const VERSION = 1;
const fileSchema = z.strictObject({
  version: z.literal(VERSION),
  id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
});

export class Tracking {
  readonly #queues: { name: string; queue: TrackerQueue }[];
  readonly #prefix: "train" | "eval";
  readonly #samples: number;
  readonly #every: number;

  private constructor(options: OpenTracking, queues: { name: string; queue: TrackerQueue }[]) {
    this.#queues = queues;
    this.#prefix = options.stage === "evaluate" ? "eval" : "train";
    this.#samples = options.tracking?.samples ?? 16;
    this.#every = options.tracking?.samplesEvery ?? 20;
  }

  /** @throws SwirlError CONFIG for a tracker that cannot work here, before anything is computed. */
  static async open(options: OpenTracking): Promise<Tracking> {
    const trackers = (options.trackers ?? []).map((tracker) =>
      typeof tracker === "string" ? trackerOf(tracker) : tracker,
    );
    if (trackers.length === 0) return new Tracking(options, []);
    const run = await trackedRun(options);
    for (const tracker of trackers) await check(tracker, run);
    return new Tracking(
      options,
      trackers.map((tracker) => ({
        name: tracker.name,
        queue: new TrackerQueue(tracker, run, options.limits ?? QUEUE_LIMITS, options.note),
      })),
    );
  }

  /** Queues the record of an update. Returns at once. */
  log(step: number, record: object): void {
    const metrics = trackedMetrics(record, this.#prefix);
    for (const { queue } of this.#queues) queue.add({ metrics: { step, time: Date.now(), metrics } });
  }

  /** Rows of a table of samples at this step; 0 where none is due. */
  samplesAt(step: number): number {
    const due = this.#queues.length > 0 && (step <= 1 || step % this.#every === 0);
    return due ? this.#samples : 0;
  }

  table(name: string, step: number, columns: string[], rows: readonly TrackedCell[][]): void {
    const shown = rows.map((row) =>
      row.map((cell) => (typeof cell === "string" ? redactText(cell).slice(0, 20_000) : cell)),
    );
    for (const { queue } of this.#queues)
      queue.add({ table: { name, step, time: Date.now(), columns, rows: shown } });
  }

  /** Closes all trackers at once, with a deadline. Returns the number of entries that each of them missed. */
  async close(end: TrackedEnd): Promise<Record<string, number>> {
    await Promise.all(this.#queues.map(({ queue }) => queue.close(end)));
    return Object.fromEntries(
      this.#queues.flatMap(({ name, queue }) => (queue.lost > 0 ? [[name, queue.lost]] : [])),
    );
  }
}

/** Checks trackers before a run, without beginning one. @throws SwirlError CONFIG */
export async function checkTrackers(
  options: Pick<OpenTracking, "stage"> & Partial<Pick<OpenTracking, "trackers" | "tracking">>,
): Promise<void> {
  const run = runOf(
    {
      stage: options.stage,
      trackers: options.trackers,
      tracking: options.tracking,
      config: {},
      resumedFrom: 0,
      note: () => {},
    },
    options.tracking?.id ?? "check",
  );
  for (const tracker of options.trackers ?? [])
    await check(typeof tracker === "string" ? trackerOf(tracker) : tracker, run);
}

async function check(tracker: Tracker, run: TrackedRun): Promise<void> {
  try {
    await tracker.check?.(run);
  } catch (cause) {
    throw callbackError(`check of the tracker ${tracker.name}`, cause);
  }
}

function trackerOf(name: TrackerName): Tracker {
  if (name === "tensorboard") return tensorboardTracker();
  if (name === "jsonl") return jsonlTracker();
  if (name === "mlflow") return mlflowTracker();
  return pythonTracker(name);
}

async function trackedRun(options: OpenTracking): Promise<TrackedRun> {
  const { folder, id } = options.tracking ?? {};
  return runOf(options, id ?? (folder === undefined ? newId() : await idIn(folder)));
}

function runOf({ stage, tracking, config, resumedFrom }: OpenTracking, id: string): TrackedRun {
  const { WANDB_PROJECT, MLFLOW_EXPERIMENT_NAME, TRACKIO_PROJECT } = process.env;
  const run = tracking?.run ?? stage;
  const name = tracking?.name ?? (tracking?.folder ? basename(resolve(tracking.folder)) : id);
  return {
    id: `${id}-${run.replaceAll(/[^A-Za-z0-9-]/g, "-")}`,
    name: `${name}/${run}`,
    run,
    project: tracking?.project ?? WANDB_PROJECT ?? MLFLOW_EXPERIMENT_NAME ?? TRACKIO_PROJECT ?? "swirl-rl",
    config: redact(plainJson(tracking?.config ?? config)),
    resumedFrom,
    folder: tracking?.folder === undefined ? undefined : resolve(tracking.folder),
  };
}

const newId = () => randomBytes(6).toString("hex");

/** The id that the first session of a run left in its folder. */
async function idIn(folder: string): Promise<string> {
  await makeFolder(folder);
  const file = join(folder, FILE);
  const known = await readJson(
    file,
    fileSchema,
    "delete it: the next session is then a new run to the trackers",
  );
  if (known) return known.id;
  const id = newId();
  await writeJson(file, { version: VERSION, id });
  return id;
}

/** A copy without functions, policies and the like. */
function plainJson(config: Record<string, unknown>): Record<string, unknown> {
  const isPlain = (value: unknown): boolean =>
    value === null ||
    ["string", "number", "boolean"].includes(typeof value) ||
    (Array.isArray(value) && value.every(isPlain)) ||
    (typeof value === "object" &&
      Object.getPrototypeOf(value) === Object.prototype &&
      Object.values(value).every((inner) => inner === undefined || isPlain(inner)));
  try {
    const entries = Object.entries(config).filter(([, value]) => isPlain(value));
    return JSON.parse(JSON.stringify(Object.fromEntries(entries))) as Record<string, unknown>;
  } catch (cause) {
    throw new SwirlError("CONFIG", `tracking.config cannot be written as JSON: ${(cause as Error).message}`, {
      remedy: "give plain values",
      details: { field: "tracking.config" },
      cause,
    });
  }
}
