/**
 * Where a job is stored: `<study>/seed-3/swirl-process-0123456789abcdef/`. It is done once it holds result.json, which
 * is written last and atomically; until then the folder holds what an interrupted session left to resume from.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { SwirlError, writeJson } from "swirl-rl";
import type { Job, JobResult } from "./job.js";

const RESULT = "result.json";
const SPENT = "spent.json";

export class JobFolder {
  readonly path: string;
  readonly key: string;

  constructor(root: string, job: Pick<Job, "id" | "seed">, key: string) {
    this.key = key;
    this.path = join(root, `seed-${job.seed}`, `${job.id.replaceAll(/[^\w.-]+/g, "-")}-${key}`);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  get policy(): string {
    return this.file("policy");
  }
  get trajectories(): string {
    return this.file("trajectories.jsonl");
  }
  get kept(): string {
    return this.file("kept.jsonl");
  }

  async open(): Promise<void> {
    await mkdir(this.path, { recursive: true });
  }

  /** undefined while it is not done. */
  async result(): Promise<JobResult | undefined> {
    const result = await readJson<JobResult>(this.file(RESULT));
    if (result && (result.version !== 1 || result.key !== this.key)) {
      throw new SwirlError("RECORD", `${this.file(RESULT)} is not the result of this job`, {
        remedy: "remove the folder: the job is computed again",
        details: { file: this.file(RESULT) },
      });
    }
    return result;
  }

  async finish(result: JobResult): Promise<void> {
    await writeJson(this.file(RESULT), result);
  }

  /** Seconds that earlier, interrupted sessions worked on it. */
  async spent(): Promise<{ seconds: number; processorSeconds: number }> {
    return (await readJson(this.file(SPENT))) ?? { seconds: 0, processorSeconds: 0 };
  }
  async spend(spent: { seconds: number; processorSeconds: number }): Promise<void> {
    await writeJson(this.file(SPENT), spent);
  }

  async remove(...names: readonly string[]): Promise<void> {
    for (const name of names) await rm(this.file(name), { recursive: true, force: true });
  }
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
