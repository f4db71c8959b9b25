import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { writeReport } from "../report/write-report.js";
import { runPaths } from "../run-directory/layout.js";
import { RunDirectory } from "../run-directory/run-directory.js";
import { readJson, writeJson } from "./json-file.js";

it("reads what was written, and nothing where there is no file", async () => {
  const file = join(temporaryFolder(), "a.json");
  expect(await readJson(file, z.unknown(), "")).toBeUndefined();
  await writeJson(file, { a: [1] });
  expect(await readJson(file, z.strictObject({ a: z.array(z.int()) }), "")).toEqual({ a: [1] });
});

it.each([
  ["", "not JSON"],
  ['{"a":', "not JSON"],
  ["\0\0\0", "not JSON"],
  ["null", "the whole file"],
  ["[]", "the whole file"],
  ['{"a":"1"}', "a: "],
])("says what is wrong with %j, and what to do", async (text, problem) => {
  const file = join(temporaryFolder(), "a.json");
  await writeFile(file, text);
  await expect(readJson(file, z.strictObject({ a: z.int() }), "do this")).rejects.toMatchObject({
    code: "RECORD",
    message: expect.stringContaining(`${file}: ${problem}`),
    remedy: "do this",
    details: { file },
  });
});

it("refuses a folder in the place of the file", async () => {
  const file = join(temporaryFolder(), "a.json");
  await mkdir(file);
  await expect(readJson(file, z.unknown(), "")).rejects.toMatchObject({ code: "RECORD" });
});

it("every JSON file of a run directory is read like this", async () => {
  const dir = temporaryFolder();
  await (await RunDirectory.open(dir, { config: { seed: 1 } }))[Symbol.asyncDispose]();
  const paths = runPaths(dir);
  for (const file of [paths.config, paths.manifest])
    for (const text of ["{", "[1]"]) {
      await RunDirectory.open(dir, { config: { seed: 1 } }).then((run) => run.close());
      const whole = await readJson(file, z.unknown(), "");
      await writeFile(file, text);
      await expect(RunDirectory.open(dir, { config: { seed: 1 } }), file).rejects.toMatchObject({
        code: "RECORD",
        details: { file },
      });
      await writeJson(file, whole);
    }
  await writeFile(paths.filter, '{"pool": 1}');
  await expect(writeReport(dir)).rejects.toMatchObject({ code: "RECORD", details: { file: paths.filter } });
});
