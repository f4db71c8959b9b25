/** What the scheduler and its workers say to each other. */
import type { Job, JobResult } from "./job.js";
import type { StudyOptions } from "./studies.js";

export type ToWorker =
  | {
      kind: "work";
      study: StudyOptions;
      job: Job;
      /** The folder of the study. */
      root: string;
      /** Keys of the jobs of this seed, by id. */
      keys: Record<string, string>;
      threads: number;
    }
  /** Keep what is done and abandon the job. */
  | { kind: "stop" };

export type FromWorker =
  | { kind: "ready" }
  | { kind: "progress"; done: number; total: number | undefined }
  | { kind: "done"; result: JobResult }
  | { kind: "failed"; aborted: boolean; error: string };
