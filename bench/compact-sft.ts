/**
 * Compact optimizer state against float32's on the demo's SFT: `node scripts/run-ts.mjs bench/compact-sft.ts --seeds 0,1,2`.
 * Per seed one world, one new policy and one set of demonstrations; the same order of data for every kind of state. Prints
 * the mean loss over tenths of the run, and the greedy accuracy on held-out questions afterwards.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDemo, openRun } from "../src/demo/demo-run.js";
import { demonstratingPolicy } from "../src/demo/demonstrating-policy.js";
import { measurePolicy } from "../src/demo/measure-policy.js";
import { writePolicyFolder } from "../src/demo/policy-folder.js";
import { DEMO_SETTINGS } from "../src/demo/settings.js";
import { NativePolicy, readTrajectories, sft, synthesize, type Trajectory } from "../src/index.js";
import { table } from "./tables.js";

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string", default: "0" },
    steps: { type: "string", default: String(DEMO_SETTINGS.sft.steps) },
    threads: { type: "string", default: "1" },
    /** Of the kinds of state, in the order below: their numbers, with commas. */
    kinds: { type: "string", default: "0,1,2" },
    /** Writes every loss there, as JSON. */
    json: { type: "string" },
  },
});
const steps = Number(options.steps);
const threads = Number(options.threads);
const allKinds = [
  { name: "float32", load: { dtype: "float32" } },
  { name: "bfloat16, float32 state", load: { dtype: "bfloat16" } },
  { name: "bfloat16, compact state", load: { dtype: "bfloat16", optimizerState: "compact" } },
] as const;
const kinds = options.kinds.split(",").map((i) => allKinds[Number(i)]!);

const tenths = (losses: readonly number[]) =>
  Array.from({ length: 10 }, (_, i) => {
    const part = losses.slice(Math.floor((i * steps) / 10), Math.floor(((i + 1) * steps) / 10));
    return part.reduce((a, b) => a + b, 0) / part.length;
  });

const rows: string[][] = [];
const all: { seed: number; kind: string; losses: number[]; greedy: number }[] = [];
for (const seed of options.seeds.split(",").map(Number)) {
  const root = await mkdtemp(join(tmpdir(), "compact-sft-"));
  const started = { output: join(root, "run"), seed, threads };
  const run = await openRun(started);
  const { world, rollouts, settings, judge } = await openDemo(run, started);
  const folder = join(root, "new-policy");
  await writePolicyFolder(folder, seed);
  const output = join(root, "demonstrations.jsonl");
  const demonstrations: Trajectory[] = [];
  {
    await using policy = await NativePolicy.load(folder, { threads });
    const demonstrating = demonstratingPolicy(policy, world.demonstrations);
    const made = synthesize(world.demonstrations, { ...rollouts, policy: demonstrating, samples: 1, output });
    for await (const _ of made);
    for await (const trajectory of readTrajectories(output)) demonstrations.push(trajectory);
  }
  for (const { name, load } of kinds) {
    await using policy = await NativePolicy.load(folder, { ...load, threads, maxBatch: 1024 });
    const losses: number[] = [];
    await sft({
      policy,
      trajectories: demonstrations,
      ...settings.sft,
      steps,
      schedule: "cosine",
      seed,
      onStep: ({ loss }) => losses.push(loss ?? Number.NaN),
    });
    const { greedy } = await measurePolicy(world.heldOut, {
      ...rollouts,
      policy,
      judge,
      sampledFile: join(root, `${name}-sampled.jsonl`),
      greedyFile: join(root, `${name}-greedy.jsonl`),
      onProgress: () => {},
    });
    all.push({ seed, kind: name, losses, greedy: greedy.accuracy.value });
    const row = [String(seed), name, ...tenths(losses).map((loss) => loss.toFixed(3))];
    rows.push([...row, (100 * greedy.accuracy.value).toFixed(1)]);
    console.error(rows.at(-1)!.join("  "));
    if (options.json) await writeFile(options.json, `${JSON.stringify(all)}\n`);
  }
  await run[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
}
console.log(
  table(["seed", "state", ...Array.from({ length: 10 }, (_, i) => `${i + 1}/10`), "greedy, %"], rows),
);
