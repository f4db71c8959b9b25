import { mkdir, readdir, readFile, readlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { SwirlError } from "../errors/swirl-error.js";
import { type FileOperations, nodeFileOperations } from "../files/atomic-write.js";
import { findCheckpoint, saveCheckpoint, verifyCheckpoint } from "./checkpoint.js";

let root: string;
beforeEach(() => {
  root = join(temporaryFolder(), "checkpoints");
});

async function fill(folder: string, text: string): Promise<void> {
  await mkdir(join(folder, "optimizer"));
  await writeFile(join(folder, "model.safetensors"), text.repeat(1000));
  await writeFile(join(folder, "optimizer", "adam.safetensors"), text);
}

const save = (step: number, operations?: FileOperations) =>
  saveCheckpoint({
    root,
    step,
    keep: 2,
    fill: (f) => fill(f, `weights ${step}`),
    ...(operations ? { operations } : {}),
  });

describe("saveCheckpoint", () => {
  it("moves latest and keeps the newest", async () => {
    for (const step of [5, 10, 15]) await save(step);
    expect((await readdir(root)).sort()).toEqual(["latest", "step-000010", "step-000015"]);
    expect(await readlink(join(root, "latest"))).toBe("step-000015");
    expect(await findCheckpoint({ root })).toEqual({ folder: join(root, "step-000015"), step: 15 });
  });

  it("there is none before the first", async () => {
    expect(await findCheckpoint({ root })).toBeUndefined();
  });

  it("a fill that fails leaves the previous one, and no trace after the next save", async () => {
    await save(5);
    const failing = saveCheckpoint({
      root,
      step: 10,
      keep: 2,
      fill: async (folder) => {
        await writeFile(join(folder, "half"), "x");
        throw new Error("ENOSPC: no space left on device");
      },
    });
    await expect(failing).rejects.toThrow("ENOSPC");
    expect((await findCheckpoint({ root }))?.step).toBe(5);
    await save(15);
    expect((await readdir(root)).sort()).toEqual(["latest", "step-000005", "step-000015"]);
  });
});

describe("at every file operation", () => {
  /** Fails the n-th operation, as a full or broken disk would; with `dies`, everything after it fails as well. */
  function faulty(n: number, dies: boolean): { operations: FileOperations; count: () => number } {
    let calls = 0;
    const step = () => {
      calls++;
      if (calls === n || (dies && calls > n))
        throw Object.assign(new Error(`ENOSPC at call ${calls}`), { code: "ENOSPC" });
    };
    const operations: FileOperations = {
      open: async (path, flags) => {
        step();
        const file = await nodeFileOperations.open(path, flags);
        return {
          write: async (data, offset, length, position) => {
            await file.write(data, offset, length >> 1, position); // a short write, then the failure
            step();
            return {
              bytesWritten: length >> 1 || (await file.write(data, offset, length, position)).bytesWritten,
            };
          },
          sync: async () => {
            step();
            await file.sync();
          },
          truncate: (length) => file.truncate(length),
          close: () => file.close(),
        };
      },
      rename: async (from, to) => {
        step();
        await nodeFileOperations.rename(from, to);
      },
      remove: async (path) => {
        step();
        await nodeFileOperations.remove(path);
      },
    };
    return { operations, count: () => calls };
  }

  it.each([false, true])("a failure loses nothing and corrupts nothing (dies: %s)", async (dies) => {
    const base = root;
    const whole = faulty(Number.POSITIVE_INFINITY, false);
    await save(5);
    await save(10, whole.operations);
    expect(whole.count()).toBeGreaterThan(10);
    for (let n = 1; n <= whole.count(); n++) {
      root = `${base}-${dies}-${n}`;
      await save(5);
      await expect(save(10, faulty(n, dies).operations)).rejects.toThrow("ENOSPC");
      const found = await findCheckpoint({ root });
      expect([5, 10]).toContain(found?.step);
      const weights = await readFile(join(found!.folder, "model.safetensors"), "utf8");
      expect(weights).toBe(`weights ${found!.step}`.repeat(1000));
      // `latest` always leads to a whole checkpoint.
      expect((await verifyCheckpoint(join(root, "latest"))).step).toBeLessThanOrEqual(10);
      await save(10);
      expect((await findCheckpoint({ root }))?.step).toBe(10);
      expect((await readdir(root)).sort().filter((name) => name.startsWith("."))).toEqual([]);
    }
  });
});

describe("findCheckpoint", () => {
  it("falls back to the newest that verifies, and reports what was wrong", async () => {
    await save(5);
    await save(10);
    await truncate(join(root, "step-000010", "model.safetensors"), 100);
    const problems: string[] = [];
    const found = await findCheckpoint({ root, onProblem: (_, problem) => problems.push(problem) });
    expect(found?.step).toBe(5);
    expect(problems[0]).toMatch(/model\.safetensors: it has 100 bytes, its manifest says 10000/);
  });

  it("sees a flipped bit", async () => {
    await save(5);
    const path = join(root, "step-000005", "optimizer", "adam.safetensors");
    const bytes = await readFile(path);
    bytes[3]! ^= 1;
    await writeFile(path, bytes);
    await expect(findCheckpoint({ root })).rejects.toThrow(/no checkpoint .* is intact[\s\S]*SHA-256/);
  });

  it("does not follow a manifest out of its folder", async () => {
    await save(5);
    const path = join(root, "step-000005", "manifest.json");
    const text = (await readFile(path, "utf8")).replace("model.safetensors", "../../model.safetensors");
    await writeFile(path, text);
    const error = await verifyCheckpoint(join(root, "step-000005")).catch((e: unknown) => e);
    expect(SwirlError.isInstance(error) && error.code).toBe("CHECKPOINT");
    expect(String(error)).toMatch(/outside the checkpoint/);
  });
});
