/**
 * A resumable sequence of updates: what `train` and `sft` do around their updates.
 *
 * Opening restores the policy from the newest checkpoint and truncates the metrics log to it. After each update
 * `advance` notes the progress, and `record` logs the update and saves a checkpoint when one is due. An update is
 * applied completely or not at all, so a run that is interrupted (aborted, or its judge out of reach) saves what is
 * done, provided that the weights are those of its progress. An open run holds the locks of its checkpoint folder and
 * its metrics file.
 */
import { abortedError, throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { lockFolder } from "../files/lock.js";
import type { TrainerPolicy } from "../policy/trainer-policy.js";
import type { TrackedEnd, Tracker, TrackerName, TrackingOptions } from "../trackers/tracker.js";
import { Tracking } from "../trackers/tracking.js";
import { type Batch, type BatchOptions, batchesFrom } from "./batches.js";
import { MetricsLog } from "./metrics-log.js";
import type { CheckpointOptions } from "./optimizer-options.js";
import type { UpdateRecord } from "./train-record.js";
import { newProgress, resumeProgress, saveProgress, type TrainingProgress } from "./training-progress.js";

export interface TrainingRunOptions<Logged extends UpdateRecord> {
  policy: TrainerPolicy;
  /** setupOf(…): a checkpoint made with another one is refused. */
  setup: TrainingProgress["setup"];
  /** Defaults of the stage's options: what a checkpoint of a version without an option is taken to have used. */
  defaults: Record<string, unknown>;
  totalSteps: number;
  maxSkippedUpdates: number;
  checkpoints?: CheckpointOptions | undefined;
  metricsFile?: string | undefined;
  trackers?: readonly (TrackerName | Tracker)[] | undefined;
  tracking?: TrackingOptions | undefined;
  actionsFile?: string | undefined;
  onStep?: ((record: Logged) => void | Promise<void>) | undefined;
  onProgress?:
    | ((progress: {
        step: number;
        totalSteps: number;
        phase: "resume" | "checkpoint";
        done: number;
        total: number;
      }) => void)
    | undefined;
  note: (text: string) => void;
  signal?: AbortSignal | undefined;
}

export class TrainingRun<Logged extends UpdateRecord> {
  /** The step this run resumed from; 0 for a new one. */
  readonly resumedFrom: number;
  /** The last update's record. */
  last: Logged | undefined;
  readonly #options: TrainingRunOptions<Logged>;
  readonly #lock: AsyncDisposable | undefined;
  readonly #log: MetricsLog | undefined;
  readonly tracking: Tracking;
  /** How the run ends if it ends now. */
  #end: TrackedEnd = "finished";
  readonly #actions: MetricsLog | undefined;
  #progress: TrainingProgress;
  #savedStep: number;
  #weightsMatchProgress = true;

  private constructor(
    options: TrainingRunOptions<Logged>,
    progress: TrainingProgress,
    lock: AsyncDisposable | undefined,
    log: MetricsLog | undefined,
    tracking: Tracking,
    actions: MetricsLog | undefined,
  ) {
    this.#options = options;
    this.#progress = progress;
    this.#lock = lock;
    this.#log = log;
    this.tracking = tracking;
    this.#actions = actions;
    this.resumedFrom = progress.step;
    this.#savedStep = progress.step;
  }

  static async open<Logged extends UpdateRecord>(
    stage: TrainingProgress["stage"],
    options: TrainingRunOptions<Logged>,
  ): Promise<TrainingRun<Logged>> {
    const { policy, checkpoints, metricsFile, actionsFile, totalSteps, note } = options;
    const lock = checkpoints && (await lockFolder(checkpoints.folder));
    let actions: MetricsLog | undefined;
    let log: MetricsLog | undefined;
    try {
      let progress = newProgress(stage, options.setup);
      if (checkpoints) {
        options.onProgress?.({ step: 0, totalSteps, phase: "resume", done: 0, total: 1 });
        progress = await resumeProgress(
          policy,
          progress,
          { ...checkpoints, defaults: options.defaults },
          note,
        );
      }
      const openLog = (file: string | undefined) =>
        file === undefined ? undefined : MetricsLog.open(file, progress.step);
      log = await openLog(metricsFile);
      actions = await openLog(actionsFile);
      const tracking = await Tracking.open({
        stage,
        trackers: options.trackers,
        tracking: options.tracking,
        config: { ...options.setup, totalSteps },
        resumedFrom: progress.step,
        note,
      });
      return new TrainingRun(options, progress, lock, log, tracking, actions);
    } catch (error) {
      await log?.close();
      await actions?.close();
      await lock?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  get progress(): Readonly<TrainingProgress> {
    return this.#progress;
  }

  /** The remaining batches. Throws ABORTED between two of them. */
  *batches(groups: readonly (readonly number[])[], order: BatchOptions): Generator<Batch> {
    for (const batch of batchesFrom(groups, this.#progress.step, order)) {
      if (batch.step >= this.#options.totalSteps) return;
      throwIfAborted(this.#options.signal);
      yield batch;
    }
  }

  /** The weights are ahead of `progress` until the next `advance`, and must not be saved. */
  weightsMoved(): void {
    this.#weightsMatchProgress = false;
  }

  /** An update of the weights is complete. */
  advance(progress: Partial<TrainingProgress> & { step: number }): void {
    this.#progress = { ...this.#progress, ...progress };
    this.#weightsMatchProgress = true;
  }

  /** Whether there is a file for {@link recordActions}. */
  get recordsActions(): boolean {
    return this.#actions !== undefined;
  }

  /** Logs the fresh actions of the last update, before `record`. */
  async recordActions(record: { step: number }): Promise<void> {
    await this.#actions?.append(record);
  }

  /** Logs the last update; writes a checkpoint when one is due. Throws NUMERICS after too many skipped ones. */
  async record(record: Logged): Promise<void> {
    const { checkpoints, maxSkippedUpdates, onStep } = this.#options;
    const { stage, step, skippedUpdates } = this.#progress;
    await this.#log?.append(record);
    this.tracking.log(step, record);
    await onStep?.(record);
    this.last = record;
    if (skippedUpdates > maxSkippedUpdates) throw tooManySkipped(stage, skippedUpdates, maxSkippedUpdates);
    if (checkpoints && step % checkpoints.every === 0) await this.save();
  }

  /** Saves a checkpoint, unless this step has one. */
  async save(): Promise<void> {
    const { policy, checkpoints, onProgress, totalSteps } = this.#options;
    const { step } = this.#progress;
    if (!checkpoints || this.#savedStep === step) return;
    onProgress?.({ step, totalSteps, phase: "checkpoint", done: 0, total: 1 });
    await saveProgress(policy, this.#progress, checkpoints);
    this.#savedStep = step;
  }

  /** Saves what is done if the run was only interrupted. Returns the error to throw. */
  async stopped(error: unknown): Promise<unknown> {
    const { signal } = this.#options;
    const known = SwirlError.isInstance(error);
    this.#end = signal?.aborted ? "aborted" : "failed";
    // Where the trainer itself failed, nothing can be saved on it.
    const trainerFailed = known && error.details.trainer === true;
    const interrupted = !trainerFailed && (signal?.aborted || (known && error.code === "ENDPOINT"));
    if (interrupted && this.#weightsMatchProgress) await this.save();
    return signal?.aborted && !known ? abortedError(signal) : error;
  }

  async close(): Promise<void> {
    try {
      await this.#log?.close();
    } finally {
      await this.tracking.close(this.#end);
      await this.#actions?.close();
      await this.#lock?.[Symbol.asyncDispose]();
    }
  }
}

function tooManySkipped(stage: string, skipped: number, allowed: number): SwirlError {
  return new SwirlError(
    "NUMERICS",
    `${stage}: ${skipped} updates were skipped for a loss or gradient that is not finite, ${allowed} are allowed`,
    { remedy: "lower lr or raise warmupSteps; in bfloat16, try float32. The weights are the last good ones" },
  );
}
