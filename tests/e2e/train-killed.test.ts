/**
 * A run killed at any moment resumes to the same result: the final weights and optimizer state of a run killed with
 * SIGKILL at seeded points, and of one killed again and again, have the SHA-256 of the uninterrupted run's.
 */
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { uniform } from "../../src/random/counter-random.js";
import { type Compiled, compile } from "../support/compile.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

/** 200 before a release. */
const POINTS = Number(process.env.SWIRL_STRESS ?? 5);

let compiled: Compiled;
let folder: string;
let whole: { hash: string; events: number; milliseconds: number; metrics: unknown[] };

beforeAll(async () => {
  compiled = await compile();
  folder = temporaryFolder();
  await writeTinyModel(join(folder, "model"));
  const started = performance.now();
  const { output } = await run("whole", { dieAt: 0 });
  const milliseconds = performance.now() - started;
  const [hash, events] = output.trim().split(" ");
  whole = { hash: hash!, events: Number(events), milliseconds, metrics: await metrics("whole") };
}, 120_000);

function run(
  name: string,
  kill: { dieAt: number; afterMs?: number; lora?: boolean },
): Promise<{ output: string; signal: string | null }> {
  return new Promise((resolve, reject) => {
    const program = compiled.file("tests/support/train-program.ts");
    const child = spawn(
      process.execPath,
      [program, join(folder, "model"), join(folder, name), String(kill.dieAt), kill.lora ? "lora" : ""],
      {
        env: {
          ...process.env,
          SWIRL_ADDON: loadAddonFrom().path,
        },
      },
    );
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const timer =
      kill.afterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), kill.afterMs);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code !== 0 && signal !== "SIGKILL") reject(new Error(`exit ${code} ${signal}: ${errors}`));
      else resolve({ output, signal });
    });
  });
}

/** Wall-clock times differ between runs; nothing else does. */
async function metrics(name: string): Promise<unknown[]> {
  const lines = (await readFile(join(folder, name, "metrics.jsonl"), "utf8")).trim().split("\n");
  return lines.map((line) =>
    Object.fromEntries(Object.entries(JSON.parse(line)).filter(([key]) => !key.startsWith("time/"))),
  );
}

describe("a killed run", () => {
  it(
    "resumes to the same weights, optimizer state and metrics from seeded points",
    async () => {
      expect(whole.events).toBeGreaterThan(100);
      expect(whole.metrics).toHaveLength(6);
      for (let point = 0; point < POINTS; point++) {
        const dieAt = 1 + Math.floor(uniform(20, { stream: 0, step: 0, item: point }) * whole.events);
        const name = `point-${point}`;
        expect((await run(name, { dieAt })).signal, `killed at event ${dieAt}`).toBe("SIGKILL");
        const { output } = await run(name, { dieAt: 0 });
        expect(output.split(" ")[0], `killed at event ${dieAt} of ${whole.events}`).toBe(whole.hash);
        expect(await metrics(name)).toEqual(whole.metrics);
      }
    },
    60_000 + POINTS * 10_000,
  );

  it("resumes an adapter in the same way, from checkpoints that hold the adapter alone", async () => {
    const { output } = await run("lora", { dieAt: 0, lora: true });
    const [hash, events] = output.trim().split(" ");
    expect(hash).not.toBe(whole.hash);
    for (const share of [0.45, 0.8]) {
      const name = `lora-${share}`;
      const dieAt = Math.floor(share * Number(events));
      expect((await run(name, { dieAt, lora: true })).signal).toBe("SIGKILL");
      expect((await run(name, { dieAt: 0, lora: true })).output.split(" ")[0]).toBe(hash);
      expect(await metrics(name)).toEqual(await metrics("lora"));
    }
    const checkpoint = join(folder, "lora/checkpoints/latest");
    expect((await readdir(checkpoint)).sort()).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
      "manifest.json",
      "optimizer.safetensors",
      "progress.json",
    ]);
  }, 120_000);

  it("resumes to the same weights however often it is killed", async () => {
    let kills = 0;
    let last = await run("often", { dieAt: 30 });
    for (; last.signal === "SIGKILL" && kills < 40; kills++)
      last = await run("often", { dieAt: 0, afterMs: whole.milliseconds * (0.25 + 0.04 * kills) }); // wherever it is
    expect(kills).toBeGreaterThan(1);
    expect(last.output.split(" ")[0]).toBe(whole.hash);
    expect(await metrics("often")).toEqual(whole.metrics);
  }, 120_000);
});
