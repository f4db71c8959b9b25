/**
 * The README's code and examples/library.mjs, run as they are printed, by the Node that runs the tests and by every
 * Node that SWIRL_TEST_NODES names (paths with ":" between them). The model is a tiny one that has learned the tags.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { readGsm8kDemonstrations } from "../../src/data/index.js";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { NativePolicy } from "../../src/policy/native-policy.js";
import { demonstrate } from "../../src/synthesize/demonstrations.js";
import { calculatorTask } from "../../src/synthesize/tasks.js";
import { calculator } from "../../src/tools/calculator/index.js";
import { sft } from "../../src/train/sft.js";
import { compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

const nodes = [process.execPath, ...(process.env.SWIRL_TEST_NODES ?? "").split(":").filter(Boolean)];
const rows = [
  ["Ann has 3 hats and buys 4. How many hats has she?", "She has 3+4=<<3+4=7>>7 hats.\n#### 7"],
  ["Bob has 10 cats and sells 6. How many are left?", "He has 10-6=<<10-6=4>>4 left.\n#### 4"],
].map(([question, answer]) => JSON.stringify({ question, answer }));

let compiled: string;
let folder: string;

beforeAll(async () => {
  // The compiled package under its own name: package.json exports dist/, which is src/ here.
  const { file } = await compile();
  compiled = dirname(dirname(file("src/index.ts")));
  await symlink("src", join(compiled, "dist"));
  folder = join(compiled, "project");
  const model = join(folder, "runs/gsm8k/sft-checkpoints/latest");
  await mkdir(dirname(model), { recursive: true });
  await writeFile(join(folder, "train.jsonl"), rows.map((row) => `${row}\n`).join(""));

  const untrained = temporaryFolder();
  await writeTinyModel(untrained, { context: 2048 });
  const policy = await NativePolicy.load(untrained, { device: "cpu", threads: 1 });
  const task = calculatorTask(calculator());
  const trajectories = [];
  for await (const one of demonstrate(readGsm8kDemonstrations(join(folder, "train.jsonl")), { policy, task }))
    trajectories.push(one);
  await sft({ policy, trajectories, steps: 150, batchSize: 2, lr: 5e-3 });
  await policy.save(model);
  await policy.dispose();
}, 180_000);

async function readmeCode(): Promise<string> {
  const blocks = [...(await readFile("README.md", "utf8")).matchAll(/^```ts\n(.*?)^```$/gms)];
  expect(blocks).toHaveLength(1);
  return blocks[0]![1]!;
}

it.each([
  ["the README", readmeCode],
  ["examples/library.mjs", () => readFile("examples/library.mjs", "utf8")],
])(
  "the code of %s runs as printed, and leaves a model",
  async (_name, code) => {
    const program = join(folder, "program.mjs");
    await writeFile(program, await code());
    for (const node of nodes) {
      await rm(join(folder, "trained"), { recursive: true, force: true });
      execFileSync(node, [program], {
        cwd: folder,
        env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
        stdio: "pipe",
      });
      for (const file of ["config.json", "model.safetensors", "tokenizer.json"])
        expect(existsSync(join(folder, "trained", file)), `${node}: ${file}`).toBe(true);
    }
  },
  120_000,
);

it("no printed code asks for syntax that a supported Node cannot parse", async () => {
  const pages = ["README.md", "docs/endpoints.md", "docs/judges.md", "docs/tools.md", "docs/data.md"];
  for (const page of pages) expect(await readFile(page, "utf8"), page).not.toMatch(/\busing \w+ =/);
});
