import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { MetricsLog } from "./metrics-log.js";

it("cuts steps that no checkpoint holds, and a torn line, before it goes on", async () => {
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
