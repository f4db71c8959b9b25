/**
 * `npm run bench:generation`: decoding, in turns with node-llama-cpp, and the check that a rollout of several turns
 * never recomputes what its KV tree holds. Raw numbers go to bench/results/. Options: bench/README.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { NativeGenerateStats } from "../../src/native/addon.js";
import type { Engine } from "../../src/native/engine.js";
import { benchEngine } from "../engine.js";
import { machine, machineLine } from "../machine.js";
import { checkpointOf } from "../models.js";
import type { PeerProcess } from "../peer-process.js";
import { seeded } from "../seeded.js";
import { type Spread, shown, spread } from "../spread.js";
import { ratio, table } from "../tables.js";
import { converted, startLlama } from "./llama.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    prefix: { type: "string", default: "512" },
    sequences: { type: "string", default: "32" },
    tokens: { type: "string", default: "64" },
    parallel: { type: "string", default: "8" },
    markdown: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    smoke: { type: "boolean", default: false },
  },
});

/** What is decoded: `count` completions of one prefix; `warm`: its keys and values are cached already. */
interface Job {
  name: string;
  count: number;
  warm: boolean;
  /** Least ratio to the fastest 16-bit peer. */
  goal?: number;
}

interface Variant {
  name: string; // of the model file's weights
  gguf: string;
}

interface JobResult {
  job: Job;
  ours: Spread; // tokens per second
  peers: Record<string, { rate: Spread; ratio: Spread }>; // ratio: ours over its, by round
}

const size = (name: "rounds" | "prefix" | "sequences" | "tokens" | "parallel") =>
  options.smoke
    ? { rounds: 2, prefix: 24, sequences: 4, tokens: 4, parallel: 2 }[name]
    : Number(options[name]);

async function main(): Promise<void> {
  const on = machine();
  const folder = options.smoke ? await checkpointOf("tiny") : process.env.SWIRL_MODEL;
  if (!folder) throw new Error("SWIRL_MODEL names no model folder: set it to that of SmolLM2-135M-Instruct");
  print(`${machineLine(on)}; ${on.engine.matrixLibrary}`);
  const variants = options.smoke ? [] : modelFiles();
  const llama = variants.length > 0 ? startLlama() : undefined;
  try {
    await using engine = await benchEngine(folder, "bfloat16", false);
    const versions = (await llama?.ask<Record<string, string>>("hello")) ?? {};
    const jobs: Job[] = [
      {
        name: `${size("sequences")} sequences, prefix cached`,
        count: size("sequences"),
        warm: true,
        goal: 3,
      },
      { name: `${size("sequences")} sequences, prefix included`, count: size("sequences"), warm: false },
      { name: "one sequence, prefix cached", count: 1, warm: true, goal: 1 },
    ];
    const results: JobResult[] = [];
    for (const job of jobs) results.push(await measure(job, engine, llama, variants, on.cores));
    const turns = await rolloutTurns(engine);
    const goals = judge(results, turns);
    const date = new Date().toISOString();
    const report = [
      `${date.slice(0, 10)}: ${machineLine(on)}; ${on.engine.matrixLibrary}${llama ? `; node-llama-cpp ${versions["node-llama-cpp"]}, ${size("parallel")} sequences at a time, ${on.cores} threads` : ""}. Prefix of ${size("prefix")} tokens, completions of ${size("tokens")}, ours in bfloat16.`,
      ratesReport(results, variants),
      table(
        ["goal", "target", "measured", ""],
        goals.map((g) => [
          g.goal,
          g.target,
          g.measured,
          g.met === null ? "not measured" : g.met ? "met" : "**not met**",
        ]),
      ),
    ].join("\n\n");
    print(`\n${report}\n`);
    if (options.markdown) writeFileSync(options.markdown, `${report}\n`);
    mkdirSync(options.out, { recursive: true });
    const file = join(
      options.out,
      `generation-${options.smoke ? "smoke-" : ""}${date.replace(/[:.]/g, "-")}.json`,
    );
    const content = { date, machine: on, versions, options, results, turns, goals };
    for (const { job, ours } of results)
      if (!ours.samples.every((rate) => rate > 0 && Number.isFinite(rate)))
        throw new Error(`${job.name}: no rate`);
    writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`);
    print(`raw numbers: ${file}`);
  } finally {
    await llama?.close();
  }
}

/** The same weights in the widths that llama.cpp multiplies; without SWIRL_GGUF ours is measured alone. */
function modelFiles(): Variant[] {
  const { SWIRL_GGUF: gguf, SWIRL_PYTHON: python } = process.env;
  if (!gguf) {
    print("SWIRL_GGUF names no model file: ours alone");
    return [];
  }
  if (!python) print("SWIRL_PYTHON names no Python with the package gguf: only the model file as it is");
  const wide = python ? (["BF16", "F16"] as const) : [];
  return [
    ...wide.map((kind) => ({ name: kind, gguf: converted(gguf, kind, python!) })),
    { name: /\.([A-Z0-9_]+)\.gguf$/.exec(gguf)?.[1] ?? "as it is", gguf },
  ];
}

async function measure(
  job: Job,
  engine: Engine,
  llama: PeerProcess | undefined,
  variants: Variant[],
  threads: number,
): Promise<JobResult> {
  const parallel = Math.min(job.count, size("parallel"));
  const ours: number[] = [];
  const peers: Record<string, number[]> = Object.fromEntries(variants.map(({ name }) => [name, []]));
  for (const variant of variants.length > 0 ? variants : [undefined]) {
    if (variant) {
      const contextSize = 256 * Math.ceil((size("prefix") + size("tokens") + 1) / 256);
      await llama!.ask("load", { gguf: variant.gguf, threads, parallel, contextSize, flashAttention: true });
    }
    const prompt = promptOf(1);
    const decode = (warm: boolean, count: number) =>
      llama!.ask<{ seconds: number; generated: number }>("decode", {
        prompt: [...prompt],
        count,
        tokens: size("tokens"),
        warm,
      });
    if (variant) await decode(false, parallel); // fills the slots with the prefix
    await ourRate(engine, prompt, job.count);
    for (let round = 1; round <= size("rounds"); round++) {
      ours.push(
        await ourRate(
          engine,
          job.warm ? prompt : promptOf(1000 * variants.indexOf(variant!) + 10 + round),
          job.count,
        ),
      );
      if (!variant) continue;
      const { seconds, generated } = await decode(job.warm, job.count);
      peers[variant.name]!.push(generated / seconds);
      print(
        `  ${job.name}, ${variant.name} ${round}/${size("rounds")}, tokens/s: ours ${ours.at(-1)!.toFixed(0)}, llama ${(generated / seconds).toFixed(0)}`,
      );
    }
  }
  const rounds = size("rounds");
  return {
    job,
    ours: spread(ours),
    peers: Object.fromEntries(
      variants.map(({ name }, v) => {
        const rates = peers[name]!;
        const beside = ours.slice(v * rounds, (v + 1) * rounds);
        return [name, { rate: spread(rates), ratio: spread(beside.map((rate, i) => rate / rates[i]!)) }];
      }),
    ),
  };
}

function promptOf(seed: number): Int32Array {
  const random = seeded(seed);
  const vocabulary = options.smoke ? 500 : 40000;
  return Int32Array.from({ length: size("prefix") }, () => 20 + Math.floor(random() * (vocabulary - 20)));
}

let seed = 0n;

/** Tokens per second, including the prefill of what is not cached; sampled at temperature 1, with log-probs. */
async function ourRate(engine: Engine, prompt: Int32Array, n: number): Promise<number> {
  const start = performance.now();
  const { completions } = await generate(engine, prompt, n);
  const tokens = completions.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);
  return tokens / ((performance.now() - start) / 1000);
}

function generate(engine: Engine, tokens: Int32Array, n: number) {
  return engine.generate([{ tokens, seed: seed++, maxNewTokens: size("tokens") }], {
    n,
    temperature: 1,
    topK: 0,
    topP: 1,
    stopTokens: new Int32Array(),
    stopStrings: [],
  });
}

interface Turn {
  prompt: number;
  known: number; // rows that an earlier turn computed: its prompt and all but the last token of its action
  stats: NativeGenerateStats;
}

/** Four turns of one rollout: prompt, action, observation, action, … */
async function rolloutTurns(engine: Engine): Promise<Turn[]> {
  const turns: Turn[] = [];
  let state = promptOf(99999);
  let known = 0;
  for (let turn = 0; turn < 4; turn++) {
    const { completions, stats } = await generate(engine, state, 1);
    turns.push({ prompt: state.length, known, stats });
    const action = completions[0]![0]!.tokens;
    known = state.length + action.length - 1;
    state = Int32Array.from([...state, ...action, ...promptOf(turn + 5).slice(0, 16)]);
  }
  return turns;
}

interface Goal {
  goal: string;
  target: string;
  measured: string;
  met: boolean | null;
}

function judge(results: JobResult[], turns: Turn[]): Goal[] {
  const goals = results.flatMap(({ job, peers }): Goal[] => {
    if (job.goal === undefined) return [];
    const wide = ["BF16", "F16"].flatMap((name) => (peers[name] ? [{ name, ...peers[name] }] : []));
    const fastest = wide.sort((a, b) => b.rate.median - a.rate.median)[0];
    return [
      {
        goal: `${job.name}: times faster than its fastest 16-bit model`,
        target: `≥ ${job.goal}`,
        measured: fastest ? `${ratio(fastest.ratio)}, ${fastest.name}` : "not measured",
        met: fastest ? fastest.ratio.median >= job.goal : null,
      },
    ];
  });
  const again = turns.map(({ prompt, known, stats }) => stats.prefillTokens - (prompt - known));
  return [
    ...goals,
    {
      goal: "rows of a rollout's four turns computed a second time",
      target: "≤ 0",
      measured: again.join(", "),
      met: again.every((rows) => rows <= 0),
    },
  ];
}

function ratesReport(results: JobResult[], variants: Variant[]): string {
  return table(
    ["tokens a second", "ours", ...variants.flatMap(({ name }) => [`llama.cpp ${name}`, "ours over it"])],
    results.map(({ job, ours, peers }) => [
      job.name,
      shown(ours, 0),
      ...variants.flatMap(({ name }) => [shown(peers[name]!.rate, 0), ratio(peers[name]!.ratio)]),
    ]),
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
