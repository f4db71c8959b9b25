/**
 * The demo over several seeds: is its gain real? Runs `runDemo` once per seed, one after another, and writes
 * docs/results/demo.md (machine, command, table) and demo.json next to it (every figure).
 *
 *   node scripts/run-ts.mjs scripts/demo-seeds.ts [--seeds 0,1,2,3,4] [--runs FOLDER] [--threads N] [--out FOLDER]
 *
 * Runs that are in FOLDER already are taken as they are, so an interrupted study resumes where it stopped.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEMONSTRATION_MISTAKES } from "../src/demo/demonstrator.js";
import type { DemoEvaluation } from "../src/demo/measure-policy.js";
import { type DemoResult, runDemo } from "../src/demo/run-demo.js";
import { DEMO_SETTINGS } from "../src/demo/settings.js";
import type { Estimate } from "../src/evaluate/summary.js";
import { loadAddon } from "../src/native/load-addon.js";

const { values: flags } = parseArgs({
  options: {
    seeds: { type: "string", default: "0,1,2,3,4" },
    runs: { type: "string", default: "runs/demo-seeds" },
    threads: { type: "string", default: "0" },
    out: { type: "string", default: "docs/results" },
  },
});
const seeds = flags.seeds.split(",").map(Number);
const threads = Number(flags.threads);

type Figures = Omit<DemoResult, "before" | "after"> & Record<"before" | "after", Summary>;
type Summary = Omit<DemoEvaluation, "records" | "greedyRecords">;

const summary = ({ records: _, greedyRecords: __, ...rest }: DemoEvaluation): Summary => rest;

async function figuresOf(seed: number): Promise<Figures> {
  const output = resolve(flags.runs, `seed-${seed}`);
  const file = `${output}.json`;
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8")) as Figures;
  let stage = "";
  const result = await runDemo({
    output,
    seed,
    threads,
    onProgress: (progress) => {
      if (progress.stage !== stage) process.stderr.write(`seed ${seed}: ${progress.stage}\n`);
      stage = progress.stage;
    },
  });
  const figures = { ...result, before: summary(result.before), after: summary(result.after) };
  await writeFile(file, `${JSON.stringify(figures, null, 1)}\n`);
  return figures;
}

/** Two-sided 95 % quantiles of Student's t for 1 … 10 degrees of freedom. */
const T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** Mean over seeds with Student's interval: seeds, not questions, are what is drawn. */
function overSeeds(values: readonly number[]): { value: number; low: number; high: number } {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1));
  const half = ((T[n - 2] ?? 1.96) * deviation) / Math.sqrt(n);
  return { value, low: value - half, high: value + half };
}

const percent = (x: number) => (100 * x).toFixed(1);
const signed = (x: number) => `${x >= 0 ? "+" : "−"}${percent(Math.abs(x))}`;
const shown = ({ value, low, high }: Pick<Estimate, "value" | "low" | "high">) =>
  `${percent(value)} [${percent(low)}, ${percent(high)}]`;
const gained = ({ value, low, high }: Pick<Estimate, "value" | "low" | "high">) =>
  `${signed(value)} [${signed(low)}, ${signed(high)}]`;
const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

await mkdir(flags.runs, { recursive: true });
const all: Figures[] = [];
for (const seed of seeds) all.push(await figuresOf(seed));

const measures: [string, (of: Summary) => Estimate][] = [
  ["accuracy, sampled", ({ sampled }) => sampled.accuracy],
  ["accuracy, greedy", ({ greedy }) => greedy.accuracy],
  ["mean process label, process judge", ({ sampled }) => sampled.processLabel!],
  ["mean process label, oracle", ({ oracleLabel }) => oracleLabel],
];
const differences = measures.map(([name, of]) => ({
  name,
  before: overSeeds(all.map((run) => of(run.before).value)),
  after: overSeeds(all.map((run) => of(run.after).value)),
  gain: overSeeds(all.map((run) => of(run.after).value - of(run.before).value)),
}));
const longest = Math.max(...all.map((run) => run.seconds.all ?? 0));
const { world, sft, synthesize, train } = DEMO_SETTINGS;
const cpu = loadAddon().devices()[0]!;
const command = `node scripts/run-ts.mjs scripts/demo-seeds.ts --seeds ${flags.seeds} --threads ${threads}`;

const page = `# The demo over ${seeds.length} seeds

Does \`npx swirl demo\` improve its policy, or was one seed lucky? Each seed makes another world, another policy,
other demonstrations and other draws; nothing is shared between seeds and none was left out.

\`\`\`
${command}
\`\`\`

Machine: ${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; matrix products by ${cpu.matrixLibrary} (${cpu.isa.join(", ")}); Node ${process.version}.
The longest seed took ${Math.round(longest)} s from start to report. The load average was
${loadavg()[0]!.toFixed(1)} when this page was written; above the number of cores it means that other work ran at the same time.

## Result

Held-out questions: ${world.heldOut} a seed, about entities and number combinations that no demonstration and no training
state touches. Mean over ${seeds.length} seeds with Student's 95 % interval over seeds, in percent.

${table(
  ["", "before SWiRL (after SFT)", "after SWiRL", "difference"],
  differences.map(({ name, before, after, gain }) => [name, shown(before), shown(after), gained(gain)]),
)}

The interval of the difference in accuracy ${
  differences[0]!.gain.low > 0 && differences[1]!.gain.low > 0
    ? "excludes 0, sampled and greedy"
    : "includes 0"
}.

## Every seed

In brackets: 95 % intervals over the questions of that seed (Wilson; paired bootstrap for differences).

${table(
  [
    "seed",
    "sampled, before",
    "after",
    "difference",
    "greedy, before",
    "after",
    "difference",
    "kept by the filter",
    "time, s",
  ],
  all.map((run) => [
    String(run.seed),
    shown(run.before.sampled.accuracy),
    shown(run.after.sampled.accuracy),
    gained(run.improvement.sampled),
    shown(run.before.greedy.accuracy),
    shown(run.after.greedy.accuracy),
    gained(run.improvement.greedy),
    `${run.filter.handedOn} of ${run.filter.pool}`,
    String(Math.round(run.seconds.all ?? 0)),
  ]),
)}

${table(
  [
    "seed",
    "process label, before",
    "after",
    "oracle label, before",
    "after",
    "judge's false positives, before",
    "after",
    "false negatives, before",
    "after",
  ],
  all.map((run) => [
    String(run.seed),
    shown(run.before.sampled.processLabel!),
    shown(run.after.sampled.processLabel!),
    shown(run.before.oracleLabel),
    shown(run.after.oracleLabel),
    ...(["falsePositive", "falseNegative"] as const).flatMap((rate) =>
      (["before", "after"] as const).map((when) => {
        const { count, of } = run[when].calibration[rate];
        return `${count} of ${of}`;
      }),
    ),
  ]),
)}

## How to read it

- *Sampled* draws actions at temperature 1, as training does; *greedy* takes the most probable token. Both evaluate the
  same questions before and after.
- The filter and the reward use a process judge made of rules (src/demo/process-judge.ts). It reads the conversation
  and never an answer key. The oracle (src/demo/oracle.ts) knows every question's plan; it only measures. A false positive
  is a step the oracle calls wrong and the judge calls good: mostly steps that continue correctly from an earlier mistake.
- The policy is a Llama of ${(all[0]!.parameters / 1e6).toFixed(2)} million parameters, made from the seed. SFT: ${sft.steps} updates of ${sft.batchSize}
  demonstrations out of ${world.demonstrations}. The demonstrator answers three-step questions after two steps in ${Math.round(100 * DEMONSTRATION_MISTAKES.answersBeforeThird)} % of cases and makes
  smaller mistakes elsewhere (src/demo/demonstrator.ts). SWiRL: ${world.train} questions × ${synthesize.samples} trajectories, process filter,
  ${train.steps} updates of ${train.batchSize} states × ${train.samplesPerState} fresh actions, KL weight ${train.klWeight} to the policy after SFT.
- It shows that the loop works end to end, not how large a gain a real model would see: the world is small, the
  mistakes were planted, and the judge is better than a prompted one.
`;

await mkdir(flags.out, { recursive: true });
await writeFile(join(flags.out, "demo.md"), page);
const figures = all.map(({ output: _, report: __, ...rest }) => rest); // paths of the runs are left out
await writeFile(join(flags.out, "demo.json"), `${JSON.stringify(figures, null, 1)}\n`);
process.stdout.write(`${page}\n`);
