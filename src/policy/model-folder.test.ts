import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { expandHome, modelFolder } from "./model-folder.js";
import { NativePolicy } from "./native-policy.js";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder();
  vi.stubEnv("HF_HUB_CACHE", join(dir, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
});

async function snapshot(root: string, commit: string): Promise<string> {
  const folder = join(root, "snapshots", commit);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), "{}");
  return folder;
}

it("takes a folder as it is, and a folder of the cache for its snapshot", async () => {
  await writeFile(join(dir, "config.json"), "{}");
  expect(await modelFolder(dir)).toBe(dir);
  const root = join(dir, "cache/models--org--name");
  const first = await snapshot(root, "aaa");
  for (const path of [root, join(root, "snapshots"), first]) expect(await modelFolder(path)).toBe(first);
  const second = await snapshot(root, "bbb");
  await expect(modelFolder(root)).rejects.toMatchObject({
    code: "CHECKPOINT",
    remedy: expect.stringContaining(second),
  });
  await mkdir(join(root, "refs"));
  await writeFile(join(root, "refs/main"), "bbb\n");
  expect(await modelFolder(root)).toBe(second);
});

it("says what to do with a name of the hub, with a file, and with an unfinished download", async () => {
  const remedy = (path: string) =>
    modelFolder(path).then(
      () => expect.fail(`${path} was taken`),
      (error) => `${error.message}`,
    );
  expect(await remedy("org/name")).toMatch(/org\/name is not a folder\n.*swirl pull org\/name/);
  await mkdir(join(dir, "cache/models--org--name/snapshots"), { recursive: true });
  expect(await remedy("org/name")).toMatch(/the Hugging Face cache has .*models--org--name/);
  expect(await remedy(join(dir, "cache/models--org--name"))).toMatch(/download did not finish/);
  await writeFile(join(dir, "model.gguf"), "");
  await writeFile(join(dir, "model.safetensors"), "");
  expect(await remedy(join(dir, "model.gguf"))).toMatch(/GGUF files are not read/);
  expect(await remedy(join(dir, "model.safetensors"))).toMatch(/give its folder/);
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  await expect(NativePolicy.load("org/name")).rejects.toMatchObject({
    code: "CHECKPOINT",
    message: /is not a folder/,
  });
});

it("expands ~ as a shell does", () => {
  expect(["~", "~/a", "a/~", "~user"].map(expandHome)).toEqual([
    homedir(),
    join(homedir(), "a"),
    "a/~",
    "~user",
  ]);
});
