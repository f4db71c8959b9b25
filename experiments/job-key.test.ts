import { describe, expect, it } from "vitest";
import type { Job } from "./job.js";
import { jobKeys } from "./job-key.js";
import { miniatureJobs } from "./miniature/arms.js";
import { MINIATURE } from "./miniature/settings.js";

const jobs = miniatureJobs(3, MINIATURE);
const keys = jobKeys(jobs, { world: 1 });

describe("jobKeys", () => {
  it("gives every job of the study a key of its own", () => {
    expect(keys.size).toBe(jobs.length);
    expect(new Set(keys.values()).size).toBe(jobs.length);
  });

  it("changes what depends on a setting, and nothing else", () => {
    const other = jobKeys(miniatureJobs(3, { ...MINIATURE, sft: { ...MINIATURE.sft, lr: 1e-4 } }), {
      world: 1,
    });
    const changed = jobs.map(({ id }) => id).filter((id) => other.get(id) !== keys.get(id));
    expect(changed.every((id) => /^(measure )?(sft\/|swirl\/after SFT)/.test(id))).toBe(true);
    expect(changed).toContain("measure sft/both on search");
    expect(changed).toContain("measure swirl/after SFT on search");
    expect(changed.some((id) => id.includes("longer"))).toBe(false);
  });

  it("changes with the seed and with what the testbed is made of", () => {
    for (const other of [jobKeys(miniatureJobs(4, MINIATURE), { world: 1 }), jobKeys(jobs, { world: 2 })])
      for (const [id, key] of keys) expect(other.get(id)).not.toBe(key);
  });

  it("does not depend on names or on the order of fields", () => {
    const [first] = jobs;
    const renamed = {
      ...first!,
      id: "another name",
      work: Object.fromEntries(Object.entries(first!.work).reverse()),
    };
    expect(jobKeys([renamed as Job], { world: 1 }).get("another name")).toBe(keys.get(first!.id));
  });

  it("refuses ids that are missing, twice there or in a circle", () => {
    const [base] = jobs;
    const pool = jobs.find(({ id }) => id === "pool")!;
    expect(() => jobKeys([base!, base!], 0)).toThrow(/same id/);
    expect(() => jobKeys([pool], 0)).toThrow(/pool builds on base, which is not there/);
    const circle = { ...pool, id: "base" };
    expect(() => jobKeys([circle], 0)).toThrow(/base → base is a circle/);
  });
});
