import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import type { NativePolicy } from "../policy/native-policy.js";
import { saveCheckpoint } from "./checkpoint.js";
import { newProgress, resumeProgress } from "./training-progress.js";

const policy = {} as NativePolicy; // never used: the progress is rejected first

it.each(["{", "", "null", '{"version":9}', '{"version":1,"step":"3"}'])(
  "a checkpoint whose progress is %j is rejected, and the error says what to do",
  async (text) => {
    const root = join(temporaryFolder(), "checkpoints");
    await mkdir(root);
    const fill = (folder: string) => writeFile(join(folder, "progress.json"), text);
    const { folder } = await saveCheckpoint({ root, step: 3, keep: 1, fill });
    const options = { folder: root, every: 1, keep: 1, defaults: {} };
    await expect(resumeProgress(policy, newProgress("train", {}), options, () => {})).rejects.toMatchObject({
      code: "RECORD",
      remedy: expect.stringContaining(`delete ${folder}`),
    });
    expect(await readFile(join(folder, "progress.json"), "utf8")).toBe(text);
  },
);

it("a checkpoint of a version without an option is resumed where the option has its default, and nowhere else", async () => {
  const root = join(temporaryFolder(), "checkpoints");
  const loading = { loadOptimizer: async () => {} } as unknown as NativePolicy;
  const saved = { version: 1, ...newProgress("train", { lr: 1, data: "x" }), step: 3 };
  await mkdir(root);
  await saveCheckpoint({
    root,
    step: 3,
    keep: 1,
    fill: (folder) => writeFile(join(folder, "progress.json"), JSON.stringify(saved)),
  });
  const options = { folder: root, every: 1, keep: 1, defaults: { lr: 5, added: "off", unused: 1 } };
  const resume = (setup: Record<string, unknown>) =>
    resumeProgress(loading, newProgress("train", setup), options, () => {});
  expect(await resume({ lr: 1, added: "off", data: "x" })).toMatchObject({ step: 3 });
  await expect(resume({ lr: 1, added: "on", data: "x" })).rejects.toThrow('added was "off", is "on"');
  await expect(resume({ lr: 5, added: "off", data: "x" })).rejects.toThrow("lr was 1, is 5");
});
