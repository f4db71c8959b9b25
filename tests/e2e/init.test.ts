/** `swirl init`, and the project that it makes: its own test and the whole method, as a user runs them. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const swirl = join(root, "bin/swirl.mjs");
let project: string;
beforeAll(() => {
  project = join(temporaryFolder(), "My first project");
});
const run = (command: string, args: string[]) =>
  execFileSync(command, args, {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path },
  });

it("makes a project of this version, and says how to run it", () => {
  const said = execFileSync(process.execPath, [swirl, "init", project], { encoding: "utf8" });
  expect(said).toMatch(/npm install\n {2}npm start/);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(JSON.parse(readFileSync(join(project, "package.json"), "utf8"))).toMatchObject({
    name: "my-first-project",
    dependencies: { "swirl-rl": `^${version}` },
  });
  expect(readFileSync(join(project, ".gitignore"), "utf8")).toContain("run/");
});

it("its test passes", () => {
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules/swirl-rl"));
  symlinkSync(join(root, "node_modules/zod"), join(project, "node_modules/zod"));
  expect(run(process.execPath, ["--test"])).toMatch(/# pass 2\n# fail 0/);
}, 60_000);

it("it runs the whole method, and resumes where it was stopped", () => {
  // The trackers' tables and curves are written as well.
  const config = JSON.parse(readFileSync(join(project, "config.json"), "utf8"));
  writeFileSync(
    join(project, "config.json"),
    JSON.stringify({ ...config, trackers: ["tensorboard", "jsonl"] }),
  );
  const said = run(process.execPath, ["run.js"]);
  const [start, trained] = [...said.matchAll(/(?:start|trained): (\d+) % right/g)].map(([, share]) =>
    Number(share),
  );
  expect(start).toBeGreaterThan(10);
  expect(trained).toBeGreaterThanOrEqual(start!);
  for (const file of ["report.html", "policy/model.safetensors", "tensorboard/train", "tracking-sft.jsonl"])
    expect(existsSync(join(project, "run", file)), file).toBe(true);
  expect(run(process.execPath, ["run.js"])).toContain(`trained: ${trained} % right`);
}, 240_000);

it("a folder that holds something is left alone", () => {
  const again = spawnSync(process.execPath, [swirl, "init", project], { encoding: "utf8" });
  expect(again.status).toBe(1);
  expect(again.stderr).toMatch(/is not empty.*\n.*swirl init DIR/);
});
