import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import type { NativePolicy } from "../policy/native-policy.js";
import { saveCheckpoint } from "./checkpoint.js";
import { newProgress, resumeProgress } from "./training-progress.js";

const policy = {} as NativePolicy; // never reached: the progress is refused first

it.each(["{", "", "null", '{"version":9}', '{"version":1,"step":"3"}'])(
  "a checkpoint whose progress is %j is refused, and the error says what to do",
  async (text) => {
    const root = join(temporaryFolder(), "checkpoints");
    await mkdir(root);
    const fill = (folder: string) => writeFile(join(folder, "progress.json"), text);
    const { folder } = await saveCheckpoint({ root, step: 3, keep: 1, fill });
    const options = { folder: root, every: 1, keep: 1 };
    await expect(resumeProgress(policy, newProgress("train", {}), options, () => {})).rejects.toMatchObject({
      code: "RECORD",
      remedy: expect.stringContaining(`delete ${folder}`),
    });
    expect(await readFile(join(folder, "progress.json"), "utf8")).toBe(text);
  },
);
