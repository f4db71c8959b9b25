/**
 * The programs of examples/, run as a user runs them, with the compiled package under its own name. readme.test.ts runs
 * examples/library.mjs. The policy of examples/grpo.mjs has learned the answers to its few questions by heart, so that a
 * broken environment, tool or parser shows in its rewards.
 */
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import {
  DEMONSTRATION_MISTAKES,
  demonstratingPolicy,
  demoTask,
  type MistakeRates,
  writePolicyFolder,
} from "../../src/demo/index.js";
import { createWorld } from "../../src/demo/world.js";
import { sft, synthesize } from "../../src/index.js";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { NativePolicy } from "../../src/policy/native-policy.js";
import { compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let folder: string;

beforeAll(async () => {
  // The compiled package under its own name: package.json exports dist/, which is src/ here.
  const { file } = await compile();
  const compiled = dirname(dirname(file("src/index.ts")));
  await symlink("src", join(compiled, "dist"));
  folder = join(compiled, "examples");
  await mkdir(folder);
  for (const name of ["grpo.mjs", "calibrate-judge.mjs"])
    await copyFile(`examples/${name}`, join(folder, name));
}, 60_000);

const run = (name: string, args: string[]) =>
  execFileSync(process.execPath, [join(folder, name), ...args], {
    env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
    encoding: "utf8",
    stdio: "pipe",
  });

it("examples/grpo.mjs plays, rewards, updates and evaluates", async () => {
  const demo = temporaryFolder();
  const sizes = { trainEntities: 6, heldOutEntities: 6, demonstrations: 3, train: 1, heldOut: 1 };
  const world = createWorld(0, sizes);
  const questions = world.demonstrations;
  await writeFile(
    join(demo, "world.json"),
    JSON.stringify({ ...world, train: questions, heldOut: questions }),
  );

  const untrained = join(demo, "untrained");
  await writePolicyFolder(untrained, 0);
  const policy = await NativePolicy.load(untrained, { device: "cpu", threads: 1 });
  const mistakes = Object.fromEntries(
    Object.keys(DEMONSTRATION_MISTAKES).map((name) => [name, 0]),
  ) as unknown as MistakeRates;
  const trajectories = [];
  const demonstrations = synthesize(questions, {
    policy: demonstratingPolicy(policy, questions, { mistakes }),
    task: await demoTask(world.articles, 5),
    samples: 1,
    maxNewTokens: 16,
  });
  for await (const one of demonstrations) trajectories.push(one);
  await sft({ policy, trajectories, steps: 120, batchSize: 3, lr: 3e-3 });
  await policy.save(join(demo, "sft-policy"));
  await policy.dispose();

  const lines = run("grpo.mjs", [demo, "2"]).trim().split("\n");
  expect(lines).toEqual([
    expect.stringMatching(/^1 reward [01]\.\d{3}$/),
    expect.stringMatching(/^2 reward [01]\.\d{3}$/),
    expect.stringMatching(/^held out: \d+\.\d % right$/),
  ]);
  const rewards = lines.slice(0, 2).map((line) => Number(line.split(" ")[2]));
  expect(Math.min(...rewards)).toBeGreaterThan(0.5);
  expect(lines[2]).toBe("held out: 100.0 % right");
}, 120_000);

it.each([
  ["the built-in suite", ["--rules", "search"], ["1 of 16", "none labeled so", "15 of 16"]],
  [
    "steps of a file",
    ["--rules", "calculator", "--steps", "examples/gsm8k/checked-steps.json"],
    ["27 of 38", "2 of 26", "35 of 64"],
  ],
])("examples/calibrate-judge.mjs counts the errors of a judge on %s", (_, args, counts) => {
  const lines = run("calibrate-judge.mjs", args).trim().split("\n");
  expect(lines.slice(1, 4).map((line) => line.slice(17).split("  ")[0])).toEqual(counts);
});
