/**
 * A disk that is really full: a file system of 2 MB in memory. What was written before is whole, the error says what to
 * do, and with room again the run resumes. Needs root, which may mount; skipped otherwise.
 */
import { execFileSync } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { saveCheckpoint, verifyCheckpoint } from "../../src/train/checkpoint.js";
import { openTrajectoryWriter, readTrajectories } from "../../src/trajectory/store.js";
import type { Trajectory } from "../../src/trajectory/trajectory.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const mountable = process.platform === "linux" && process.getuid?.() === 0;
let disk: string | undefined;
beforeAll(() => {
  const folder = temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], { stdio: "ignore" });
    disk = folder;
  } catch {
    disk = undefined; // a container without the right to mount
  }
});
afterAll(() => {
  if (disk) execFileSync("umount", [disk]);
});

async function first(): Promise<Trajectory> {
  const file = join(import.meta.dirname, "../corpus/0.1.0/records/trajectories-tags.jsonl");
  for await (const trajectory of readTrajectories(file)) return trajectory;
  throw new Error(`${file} is empty`);
}

describe.skipIf(!mountable)("a full disk", () => {
  it("leaves whole lines only, and lets the writer continue when there is room", async (test) => {
    if (!disk) return test.skip("mount is not allowed here");
    const ballast = join(disk, "ballast");
    await writeFile(ballast, Buffer.alloc(2 ** 20));
    const file = join(disk, "trajectories.jsonl");
    const writer = await openTrajectoryWriter(file);
    const trajectory = await first();
    let written = 0;
    let failure: unknown;
    for (; failure === undefined; written++)
      failure = await writer
        .append({ ...trajectory, id: `${trajectory.questionId}/${written}`, sample: written })
        .then(
          () => undefined,
          (error: unknown) => error,
        );
    written--; // the last one failed
    expect(failure).toMatchObject({ code: "RECORD", remedy: expect.stringContaining("free disk space") });
    await rm(ballast);
    await writer.append({ ...trajectory, id: `${trajectory.questionId}/${written}`, sample: written });
    await writer.close();
    let read = 0;
    for await (const line of readTrajectories(file)) expect(line.sample).toBe(read++);
    expect(read).toBe(written + 1);
    await rm(file);
  });

  it("leaves the last checkpoint whole, and no other", async (test) => {
    if (!disk) return test.skip("mount is not allowed here");
    const root = join(disk, "checkpoints");
    const save = (step: number) =>
      saveCheckpoint({
        root,
        step,
        keep: 2,
        fill: (folder) => writeFile(join(folder, "weights"), Buffer.alloc(1_200_000, step)),
      });
    const { folder } = await save(1);
    await expect(save(2)).rejects.toMatchObject({ code: expect.any(String) });
    expect((await verifyCheckpoint(folder)).step).toBe(1);
    expect((await readFile(join(root, "latest", "weights"))).at(-1)).toBe(1);
    expect((await readdir(root)).filter((name) => name.startsWith("step-"))).toEqual(["step-000001"]);
  });
});
