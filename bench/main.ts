/**
 * `npm run bench`: ours beside B1 on the same trees, then our own suites. Prints tables and writes the raw numbers to
 * bench/results/. Options (see bench/README.md): --smoke --rounds N --rows N --dtype T --logits all|action --no-peer
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import type { Dtype } from "../src/native/addon.js";
import type { Engine } from "../src/native/engine.js";
import { loadAddon } from "../src/native/load-addon.js";
import { type Comparison, compare } from "./compare.js";
import { benchEngine } from "./engine.js";
import { generateBench } from "./generate.bench.js";
import { logprobsBench } from "./logprobs.bench.js";
import { issueTree, makeTree, smokeTree, smolLM2, type Tree } from "./shape.js";
import { shown, spread } from "./spread.js";
import { updateBench } from "./update.bench.js";

const { values: options } = parseArgs({
  options: {
    smoke: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    rows: { type: "string", default: "8" },
    "micro-batch": { type: "string", default: "4" },
    dtype: { type: "string", default: "bfloat16,float32" },
    logits: { type: "string", default: "all" },
    peer: { type: "boolean", default: true },
    suites: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const smokeModel = {
  ...smolLM2,
  num_hidden_layers: 2,
  hidden_size: 64,
  intermediate_size: 128,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 512,
};

interface SuiteResult {
  name: string;
  milliseconds: number;
  sequenceTokensPerSecond: number;
  treeTokensPerSecond: number;
}

async function main(): Promise<void> {
  const config = options.smoke ? smokeModel : smolLM2;
  const tree = makeTree(options.smoke ? smokeTree : issueTree, config.vocab_size);
  const threads = availableParallelism();
  const machine = { cpu: cpus()[0]?.model ?? "unknown", threads, addon: loadAddon().devices() };
  const { K, N, G, P, a, o } = tree.shape;
  print(
    `${machine.cpu}, ${threads} threads; ${machine.addon.map((d) => `${d.name}: ${d.matrixLibrary}, ${d.isa.join(" ")}`).join("; ")}`,
  );
  print(
    `model: ${process.env.SWIRL_MODEL ?? `random weights, ${config.num_hidden_layers} layers of width ${config.hidden_size}`}`,
  );
  print(
    `K=${K} N=${N} G=${G} P=${P} a=${a} o=${o}: ${tree.sequences.length} sequences, ${tree.sequenceTokens} sequence tokens, ${tree.treeTokens} tree tokens\n`,
  );

  const python = options.peer ? process.env.SWIRL_PYTHON : undefined;
  if (options.peer && !python)
    print("B1 is left out: SWIRL_PYTHON names no Python with torch and transformers\n");
  const comparisons: Comparison[] = [];
  const suites: Record<string, SuiteResult[]> = {};
  for (const dtype of options.dtype.split(",") as Dtype[]) {
    const engine = await benchEngine(config, dtype);
    if (python) {
      const compared = await compare(
        engine,
        tree,
        dtype,
        {
          python,
          config,
          rounds: Number(options.rounds),
          rows: Math.min(Number(options.rows), tree.sequences.length),
          microBatch: Number(options["micro-batch"]),
          logits: options.logits as "all" | "action",
          threads,
        },
        print,
      );
      comparisons.push(compared);
      printComparison(compared, tree);
    }
    if (options.suites) suites[dtype] = await ownSuites(engine, tree, dtype);
    engine.dispose();
  }
  if (options.smoke) return;
  const folder = join(import.meta.dirname, "results");
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString();
  const file = join(folder, `${options.smoke ? "smoke" : "bench"}-${date.replace(/[:.]/g, "-")}.json`);
  const shape = { ...tree.shape, sequenceTokens: tree.sequenceTokens, treeTokens: tree.treeTokens };
  const model = process.env.SWIRL_MODEL ? "checkpoint" : "random weights";
  writeFileSync(
    file,
    `${JSON.stringify({ date, machine, model, config, shape, options, comparisons, suites }, null, 1)}\n`,
  );
  print(`raw numbers: ${file}`);
}

function printComparison(compared: Comparison, tree: Tree): void {
  const rate = (seconds: number) => Math.round(tree.sequenceTokens / seconds);
  const { ours, b1, logprobsRatio, updateRatio, withoutPadding, matrixPeak } = compared;
  const peaks = `torch's matrix peak here: ${(matrixPeak.bfloat16 / 1e9).toFixed(0)} GFLOP/s bfloat16, ${(matrixPeak.float32 / 1e9).toFixed(0)} float32`;
  print(`
${compared.dtype}, sequence tokens/s      ours      B1   ratio (least–most of ${logprobsRatio.samples.length} rounds)
log-probs           ${pad(rate(ours.logprobs.median))} ${pad(rate(b1.logprobs.median))}   ${shown(logprobsRatio)}×
update              ${pad(rate(ours.update.median))} ${pad(rate(b1.update.median))}   ${shown(updateRatio)}×
peak memory, MiB    ${pad(Math.round(ours.peakBytes / 2 ** 20))} ${pad(Math.round(b1.peakBytes / 2 ** 20))}   ${(b1.peakBytes / ours.peakBytes).toFixed(1)}×
tree tokens/s: log-probs ${Math.round(tree.treeTokens / ours.logprobs.median)}, update ${Math.round(ours.treeTokens / ours.update.median)}
B1 pads to ${b1.paddedTokens} tokens, ran ${options.rows} of ${tree.sequences.length} rows of equal cost, scaled; were it to pad nothing: ${withoutPadding.logprobs.toFixed(1)}× and ${withoutPadding.update.toFixed(1)}×
${compared.disagreement === null ? "" : `log-probs agree with B1's within ${compared.disagreement.toFixed(4)} nats a token\n`}${peaks}
`);
}

async function ownSuites(engine: Engine, tree: Tree, dtype: Dtype): Promise<SuiteResult[]> {
  const bench = new Bench({ iterations: options.smoke ? 3 : 3, time: 0, warmupIterations: 1, warmupTime: 0 });
  logprobsBench(bench, engine, tree);
  updateBench(bench, engine, tree);
  generateBench(bench, engine, tree);
  await bench.run();
  const results: SuiteResult[] = [];
  const generated = tree.states.length * tree.shape.G * tree.shape.a;
  print(`${dtype}, median of 3${" ".repeat(20)}ms   sequence tokens/s   tree tokens/s`);
  for (const task of bench.tasks) {
    const { result } = task;
    if (result.state !== "completed") throw new Error(`${task.name}: ${result.state}`);
    const milliseconds = spread(
      result.latency.samples ? [...result.latency.samples] : [result.latency.mean],
    ).median;
    const per = (tokens: number) => (tokens / milliseconds) * 1000;
    const generate = task.name.startsWith("generate");
    const alone = task.name.endsWith("alone");
    const row = {
      name: task.name,
      milliseconds,
      sequenceTokensPerSecond: per(generate ? generated : tree.sequenceTokens),
      treeTokensPerSecond: per(generate ? generated : alone ? tree.sequenceTokens : tree.treeTokens),
    };
    results.push(row);
    print(
      `${row.name.padEnd(30)} ${pad(Math.round(row.milliseconds))} ${pad(Math.round(row.sequenceTokensPerSecond), 19)} ${pad(Math.round(row.treeTokensPerSecond), 15)}`,
    );
  }
  print("");
  return results;
}

function pad(value: number, width = 9): string {
  return String(value).padStart(width);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
