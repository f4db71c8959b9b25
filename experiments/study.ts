/** A study: its jobs, the testbed they work on, and the report about them. */
import type { Job } from "./job.js";
import type { Report } from "./report/report.js";
import type { StudyResults } from "./results.js";
import type { Testbed } from "./testbed.js";

export interface Study {
  name: string;
  /** Everything of the testbed that results depend on, as JSON: part of every job's key. */
  testbed: unknown;
  /** In the order in which they are worth having. */
  jobs(seed: number): Job[];
  /** `folder` is the study's own, for files that are made once. */
  open(seed: number, folder: string): Promise<Testbed>;
  defaultSeeds: readonly number[];
  /** CPU threads of one worker, 0 = every core; and how many workers there are unless the user says otherwise. */
  threads: number;
  workers: number;
  report(results: StudyResults): Report;
}
