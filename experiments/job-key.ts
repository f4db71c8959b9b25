/**
 * What a job's result depends on, as one hash: its work, its seed, what the testbed is made of, the version of the code
 * that computes it, and the keys of the jobs it builds on. So a changed setting recomputes the jobs that depend on it,
 * and nothing else.
 */
import { createHash } from "node:crypto";
import { SwirlError } from "swirl-rl";
import { type Job, type JobWork, needsOf } from "./job.js";

/** Raised with every change of src/ or native/ that changes a job's result beyond rounding. */
export const RESULTS_VERSION = 1;

/** Keys of all jobs of one seed, by id. @throws SwirlError CONFIG: ids that are missing, repeated, or in a circle. */
export function jobKeys(jobs: readonly Job[], testbed: unknown): Map<string, string> {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  if (byId.size < jobs.length) throw new SwirlError("CONFIG", "study: two jobs of one seed have the same id");
  const keys = new Map<string, string>();
  const visit = (id: string, path: readonly string[]): string => {
    const known = keys.get(id);
    if (known !== undefined) return known;
    const job = byId.get(id);
    if (!job) throw new SwirlError("CONFIG", `study: ${path.at(-1)} builds on ${id}, which is not there`);
    if (path.includes(id)) throw new SwirlError("CONFIG", `study: ${[...path, id].join(" → ")} is a circle`);
    const needs = needsOf(job.work).map((need) => visit(need, [...path, id]));
    const content = [RESULTS_VERSION, testbed, job.seed, withoutIds(job.work), needs];
    const key = createHash("sha256").update(canonical(content)).digest("hex").slice(0, 16);
    keys.set(id, key);
    return key;
  };
  for (const { id } of jobs) visit(id, []);
  return keys;
}

/** Ids of other jobs are replaced by their keys. */
function withoutIds(work: JobWork): Record<string, unknown> {
  const { policy, pool: _, selection: __, ...rest } = { policy: "", pool: "", selection: "", ...work };
  return { ...rest, fromStart: policy === null };
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
