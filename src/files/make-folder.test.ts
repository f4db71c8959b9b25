import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { JsonlWriter } from "./jsonl-writer.js";
import { lockFile, lockFolder } from "./lock.js";
import { makeFolder } from "./make-folder.js";

let dir: string;
beforeEach(async () => {
  dir = temporaryFolder();
  await fs.writeFile(join(dir, "file"), "text");
  await fs.symlink(join(dir, "nowhere"), join(dir, "link"));
});

test("parents are made, by two callers at once, and a folder that exists is left as it is", async () => {
  const folder = join(dir, "a/b/c");
  await Promise.all([makeFolder(folder), makeFolder(folder), makeFolder(join(dir, "a/b/d"))]);
  await makeFolder(folder);
  expect((await fs.readdir(join(dir, "a/b"))).sort()).toEqual(["c", "d"]);
});

test("what is in the way is named, by the folder itself and by every lock", async () => {
  const cases: [string, RegExp][] = [
    ["file", /file is a file\n {2}→ give the path of a folder/],
    ["file/below/it", /cannot be a folder: .*\/file is a file\n/],
    ["link", /link.*: it is a broken link\n {2}→ remove the link/],
    ["link/below", /link.*: it is a broken link\n/],
    ["n".repeat(300), /ENAMETOOLONG/],
  ];
  for (const [name, message] of cases) {
    const path = join(dir, name);
    for (const open of [makeFolder, lockFolder, (folder: string) => lockFile(join(folder, "a.jsonl"))])
      await expect(open(path), name).rejects.toMatchObject({ name: "SwirlError", code: "CONFIG", message });
  }
  expect(await fs.readFile(join(dir, "file"), "utf8")).toBe("text");
  for (const path of ["", "nul\0byte"])
    for (const open of [makeFolder, lockFolder, lockFile])
      await expect(open(path)).rejects.toMatchObject({ name: "SwirlError", code: "INPUT" });
});

test("a folder is no file of records", async () => {
  await expect(JsonlWriter.open(dir)).rejects.toMatchObject({
    code: "CONFIG",
    message: expect.stringMatching(/is a folder\n {2}→ give the path of a file/),
  });
});

// fs.mkdir with `recursive` does not come back from the first of these.
test.runIf(existsSync("/proc/self"))(
  "file systems that take no folders answer, and not with a lock",
  async () => {
    for (const path of ["/proc/x", "/proc/x/y", "/proc", "/proc/self/x", "/sys/x"])
      await expect(lockFolder(path), path).rejects.toMatchObject({
        code: "CONFIG",
        message: expect.not.stringMatching(/lock/),
        remedy: expect.stringMatching(/folder/),
      });
  },
);
