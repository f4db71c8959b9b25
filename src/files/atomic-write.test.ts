import { execFile } from "node:child_process";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { compile } from "../../tests/support/compile.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import {
  type FileOperations,
  nodeFileOperations,
  removeTemporaries,
  writeFileAtomic,
  writeFileDurable,
  writeFolderAtomic,
} from "./atomic-write.js";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder();
});

/** Counts every call, writes at most 5 bytes at once, and throws `error` at call number `failAt`. */
function scripted(failAt: number, code = "EIO"): { operations: FileOperations; calls: string[] } {
  const calls: string[] = [];
  const step = (name: string) => {
    calls.push(name);
    if (calls.length - 1 === failAt) throw Object.assign(new Error(code), { code });
  };
  const operations: FileOperations = {
    open: async (path, flags) => {
      step(`open ${flags}`);
      const file = await nodeFileOperations.open(path, flags);
      return {
        write: async (data, offset, length, position) => {
          step("write");
          return file.write(data, offset, Math.min(5, length), position);
        },
        sync: async () => {
          step("sync");
          await file.sync();
        },
        truncate: (length) => file.truncate(length),
        close: async () => {
          await file.close();
          step("close");
        },
      };
    },
    rename: async (from, to) => {
      step("rename");
      await nodeFileOperations.rename(from, to);
    },
    remove: (path) => nodeFileOperations.remove(path),
  };
  return { operations, calls };
}

test("the file is synced before it is renamed, and its folder after", async () => {
  const { operations, calls } = scripted(-1);
  await writeFileAtomic(join(dir, "a"), "0123456789", operations);
  expect(calls).toEqual(["open w", "write", "write", "sync", "close", "rename", "open r", "sync", "close"]);
});

test("whatever call fails, the file holds its old content or its new, and nothing is left beside it", async () => {
  const { calls } = scripted(-1);
  const whole = scripted(-1);
  await writeFileAtomic(join(dir, "count"), "new content", whole.operations);
  expect(calls).toEqual([]);
  for (let failAt = 0; failAt < whole.calls.length; failAt++) {
    for (const code of ["EIO", "ENOSPC"]) {
      const file = join(dir, `${code}${failAt}`);
      await fs.writeFile(file, "old");
      await expect(writeFileAtomic(file, "new content", scripted(failAt, code).operations)).rejects.toThrow(
        code,
      );
      const renamed = failAt > whole.calls.indexOf("rename");
      expect(await fs.readFile(file, "utf8")).toBe(renamed ? "new content" : "old");
      expect((await fs.readdir(dir)).filter((name) => name.startsWith("."))).toEqual([]);
    }
  }
});

test("a folder is published whole or not at all", async () => {
  const fill = (operations: FileOperations) => async (temporary: string) => {
    await writeFileDurable(join(temporary, "a"), "first file", operations);
    await writeFileDurable(join(temporary, "b"), "second", operations);
  };
  const whole = scripted(-1);
  await writeFolderAtomic(join(dir, "whole"), fill(whole.operations), whole.operations);
  expect(await fs.readFile(join(dir, "whole", "b"), "utf8")).toBe("second");
  for (let failAt = 0; failAt < whole.calls.length; failAt++) {
    const folder = join(dir, `f${failAt}`);
    const { operations } = scripted(failAt);
    await expect(writeFolderAtomic(folder, fill(operations), operations)).rejects.toThrow("EIO");
    const names = await fs.readdir(folder).catch(() => []);
    expect(names).toEqual(failAt > whole.calls.indexOf("rename") ? ["a", "b"] : []);
    expect((await fs.readdir(dir)).filter((name) => name.startsWith("."))).toEqual([]);
  }
});

test("a published folder is never replaced", async () => {
  await fs.mkdir(join(dir, "f"));
  await fs.writeFile(join(dir, "f", "kept"), "");
  await expect(writeFolderAtomic(join(dir, "f"), async () => {})).rejects.toThrow();
  expect(await fs.readdir(join(dir, "f"))).toEqual(["kept"]);
});

test("what a killed process leaves is found and removed", async () => {
  const script = `
    import { writeFolderAtomic, writeFileDurable } from "./files/atomic-write.js";
    await writeFolderAtomic(${JSON.stringify(join(dir, "f"))}, async (temporary) => {
      await writeFileDurable(temporary + "/a", "a");
      process.kill(process.pid, "SIGKILL");
      await new Promise(() => {});
    });`;
  const { file } = await compile();
  const program = join(dirname(file("src/index.ts")), "killed.mjs");
  await fs.writeFile(program, script);
  const signal = await new Promise((resolve) => {
    execFile(process.execPath, [program], (error) => resolve((error as { signal?: string } | null)?.signal));
  });
  expect(signal).toBe("SIGKILL");
  expect(await fs.readdir(dir)).not.toContain("f");
  expect(await removeTemporaries(dir)).toHaveLength(1);
  expect(await fs.readdir(dir)).toEqual([]);
});
