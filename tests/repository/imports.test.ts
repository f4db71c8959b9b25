/** The rule that keeps the order of src/ holds, and it finds what breaks the order. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const ROOT = resolve(import.meta.dirname, "../..");

/** The rules that a tree of files breaks, by name. */
async function broken(cwd: string, folders: readonly string[]): Promise<string[]> {
  const program = join(ROOT, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const config = join(ROOT, ".dependency-cruiser.mjs");
  const args = [program, "--config", config, "--output-type", "json", ...folders];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, maxBuffer: 2 ** 28 }).catch(
    (error: { stdout?: string }) => {
      if (!error.stdout?.startsWith("{")) throw error; // the exit code counts the violations
      return { stdout: error.stdout };
    },
  );
  const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string } }[] } };
  return [...new Set(summary.violations.map(({ rule }) => rule.name))].sort();
}

async function tree(files: Record<string, string>): Promise<string> {
  const folder = temporaryFolder();
  await writeFile(join(folder, "tsconfig.json"), "{}");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

test("every import of the repository points down, and no files import each other", async () => {
  expect(await broken(ROOT, ["src", "bench", "experiments", "examples", "scripts"])).toEqual([]);
});

test("a planted import upward is found, of a type as well", async () => {
  const folder = await tree({
    "src/trajectory/record.ts":
      'import type { Judge } from "../judge/judge.js";\nexport type Record = Judge;\n',
    "src/judge/judge.ts": "export type Judge = { id: string };\n",
  });
  expect(await broken(folder, ["src"])).toEqual(["no-import-upward-from-trajectory"]);
});

test("two folders on one layer, a circle of files and a folder without a layer are found", async () => {
  const folder = await tree({
    "src/judge/a.ts": 'import { b } from "../synthesize/b.js";\nexport const a = () => b;\n',
    "src/synthesize/b.ts": "export const b = 1;\n",
    "src/train/c.ts": 'import { d } from "./d.js";\nexport const c = () => d;\n',
    "src/train/d.ts": 'import { c } from "./c.js";\nexport const d = () => c;\n',
    "src/train/e.ts": 'import "../misc/f.js";\n',
    "src/misc/f.ts": "export const f = 1;\n",
  });
  expect(await broken(folder, ["src"])).toEqual([
    "no-circle",
    "no-folder-without-a-layer",
    "no-import-upward-from-judge",
    "no-import-upward-from-train",
  ]);
});

test("a study that reaches past the public API is found", async () => {
  const folder = await tree({
    "experiments/study.ts": 'import { train } from "../src/train/train.js";\nexport const study = train;\n',
    "src/train/train.ts": "export const train = 1;\n",
  });
  expect(await broken(folder, ["src", "experiments"])).toEqual(["public-api-only"]);
});
