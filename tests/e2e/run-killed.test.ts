/**
 * `swirl run`, killed at any change that it makes to the disk: in the middle of a write, before or after an fsync, a
 * rename, a new folder. The same command then ends with the same weights, trajectories, verdicts and metrics as a run
 * that nobody killed.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { createRandom } from "../../src/random/random.js";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { questions, tinyRunConfig, writeTinyRun } from "../support/tiny-run.js";

/** 200 before a release. */
const POINTS = Number(process.env.SWIRL_STRESS ?? 5);
const killer = fileURLToPath(new URL("../support/kill-at.mjs", import.meta.url));

const config = {
  ...tinyRunConfig,
  seed: 3,
  sft: { demonstrations: questions, batchSize: 2, steps: 4, lr: 1e-3, checkpoints: { every: 2, keep: 1 } },
  train: {
    steps: 4,
    batchSize: 2,
    samplesPerState: 2,
    baseline: "running",
    lr: 1e-4,
    checkpoints: { every: 2, keep: 1 },
  },
  evaluate: { at: ["start", "trained"] },
};

let compiled: Compiled;
let folder: string;
let whole: Record<string, string>;
let changes: number;

beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  await writeTinyRun(folder, config);
  const count = join(folder, "count");
  const ended = await swirlRun("whole", { KILL_COUNT: count });
  expect(ended.code, ended.errors).toBe(0);
  changes = Number(await readFile(count, "utf8"));
  whole = await outcome("whole");
}, 120_000);

function swirlRun(
  output: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; signal: string | null; errors: string }> {
  const program = compiled.file("src/cli/main.ts");
  const child = spawn(
    process.execPath,
    ["--import", killer, program, "run", "-c", "config.json", "--output", output],
    {
      cwd: folder,
      env: { ...process.env, SWIRL_ADDON: loadAddonFrom().path, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let errors = "";
  child.stderr.on("data", (data) => {
    errors += data;
  });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, errors })));
}

/** What a run leaves, as hashes; times differ from run to run and lines may come in another order. */
async function outcome(run: string): Promise<Record<string, string>> {
  const at = (...path: string[]) => join(folder, run, ...path);
  const sha = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
  const lines = async (name: string) => {
    const text = await readFile(at(name), "utf8");
    const timeless = (key: string, value: unknown) =>
      key === "milliseconds" || key.startsWith("time/") ? undefined : value;
    const records = text
      .trim()
      .split("\n")
      .map((line) => JSON.stringify(JSON.parse(line), timeless));
    return sha([...new Set(records)].sort().join("\n"));
  };
  return {
    weights: sha(await readFile(at("policy", "model.safetensors"))),
    optimizer: sha(await readFile(at("checkpoints", "latest", "optimizer.safetensors"))),
    trajectories: await lines("trajectories.jsonl"),
    verdicts: await lines("verdicts.jsonl"),
    kept: await lines("kept.jsonl"),
    metrics: await lines("metrics.jsonl"),
    sft: await lines("sft-metrics.jsonl"),
    before: await lines("evaluation-start.jsonl"),
    after: await lines("evaluation-trained.jsonl"),
  };
}

it(
  `a run killed at any of ${POINTS} changes of the disk resumes to the same end`,
  async () => {
    expect(changes).toBeGreaterThan(150);
    const random = createRandom(29, "kill points");
    for (let point = 0; point < POINTS; point++) {
      // Spread over the run; two kills each, the second of a run that resumes.
      const first = 1 + Math.floor(((point + random.next()) * changes) / POINTS);
      const name = `point-${point}`;
      const where = `killed at change ${first} of ${changes}`;
      const killed = await swirlRun(name, { KILL_AT: String(first) });
      expect(killed.signal, where + killed.errors).toBe("SIGKILL");
      if (point % 3 === 0) await swirlRun(name, { KILL_AT: String(random.integer(1, changes)) });
      const resumed = await swirlRun(name, {});
      expect(resumed.code, `${where}: ${resumed.errors}`).toBe(0);
      expect(await outcome(name), where).toEqual(whole);
      await rm(join(folder, name), { recursive: true });
    }
  },
  120_000 + POINTS * 60_000,
);
