import { lstat, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { MetricsLog } from "./metrics-log.js";

it("removes steps that no checkpoint holds, and a torn line, before it continues", async () => {
  const path = join(temporaryFolder(), "deep", "metrics.jsonl");
  const first = await MetricsLog.open(path, 0);
  for (const step of [1, 2, 3]) await first.append({ step, reward: step / 10 });
  await first.close();
  await writeFile(path, `${await readFile(path, "utf8")}{"step":4,"rew`);

  const second = await MetricsLog.open(path, 2);
  await second.append({ step: 3, reward: 0.9 });
  await second.close();
  expect(
    (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { step: 1, reward: 0.1 },
    { step: 2, reward: 0.2 },
    { step: 3, reward: 0.9 },
  ]);
});

it("rejects a file that is not a log, and leaves it unchanged", async () => {
  const path = join(temporaryFolder(), "notes");
  for (const text of ["a\nb\n", "a", '{"model":"m"}', '{"step":1}\nnull\n{"step":2}\n', "[1]\n"]) {
    await writeFile(path, text);
    await expect(MetricsLog.open(path, 1)).rejects.toMatchObject({ code: "RECORD", details: { file: path } });
    expect(await readFile(path, "utf8")).toBe(text);
  }
});

it("shortens the file that a link names, not the link", async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, "log"), '{"step":1}\n{"step":2}\n');
  await symlink("log", join(folder, "link"));
  await (await MetricsLog.open(join(folder, "link"), 1)).close();
  expect((await lstat(join(folder, "link"))).isSymbolicLink()).toBe(true);
  expect(await readFile(join(folder, "log"), "utf8")).toBe('{"step":1}\n');
});
