/** The inputs of a job: its seed, the testbed, its own folder and those it builds on. */
import type { JobFolder } from "./job-folder.js";
import type { Testbed } from "./testbed.js";

export interface JobContext {
  seed: number;
  testbed: Testbed;
  folder: JobFolder;
  /** The folder of a finished job that this one builds on. */
  input: (id: string) => JobFolder;
  signal: AbortSignal;
  onProgress: (done: number, total: number | undefined) => void;
}
