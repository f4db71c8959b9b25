/**
 * `npm run bench:peers`: ours and the peers in turns on the same trees; ratios with their spread, memory, scaling, and
 * the goals. Raw numbers go to bench/results/. Options: bench/README.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Dtype, ModelConfig, NativeProfile } from "../../src/native/addon.js";
import { parseModelConfig } from "../../src/policy/checkpoint/model-config.js";
import { machine, machineLine, residentBytes } from "../machine.js";
import { checkpointOf, models } from "../models.js";
import type { PeerProcess } from "../peer-process.js";
import { parseShape, type Shape, shapeName } from "../shape.js";
import { compareShape, merged, type ShapeResult } from "./compare.js";
import { judge, type Peak } from "./goals.js";
import { oneByOne, together } from "./memory-groups.js";
import { deviceKind, type PeerName, peerNames, peers, startOurs, startPeer } from "./peers.js";
import { goalsReport, scalingReport, shapesReport } from "./report.js";
import { measureScaling, type Scaling } from "./scaling.js";
import type { Participant, TurnOptions } from "./turns.js";

const full = {
  shapes: [
    "smollm2/K1G1N1P512Q8",
    "smollm2/K8G1N4P1024",
    "smollm2/K4G4N4P128",
    "smollm2/K8G8N1P512",
    "qwen2.5/K4G4N1P128",
  ],
  trlShape: "smollm2/K4G4N4P128",
  scaling: { shape: "smollm2/K8G8N1P1024", G: [4, 8, 16], K: [1, 2, 4, 8, 12] },
  rounds: 3,
};

const smoke: typeof full = {
  shapes: ["tiny/K1G1N1P24a8o8", "tiny/K3G1N2P24a8o8", "tiny/K2G2N2P24a8o8"],
  trlShape: "tiny/K2G2N2P24a8o8",
  scaling: { shape: "tiny/K2G2N1P24a8o8", G: [2, 4], K: [1, 2, 3, 4] },
  rounds: 2,
};

/** On a GPU: a question of long observations, where the goals are set; and what no sharing leaves. */
const fullOnGpu: typeof full = {
  shapes: ["qwen2.5/K8G8N4P1024a128o512", "qwen2.5/K8G1N4P1024a128o512", "qwen2.5/K1G1N1P512Q32"],
  trlShape: "qwen2.5/K1G1N1P512Q32",
  scaling: { shape: "qwen2.5/K8G8N1P1024", G: [4, 8, 16], K: [1, 2, 4, 8, 12] },
  rounds: 3,
};

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    shapes: { type: "string" },
    peers: { type: "string" },
    dtype: { type: "string", default: "bfloat16" },
    rounds: { type: "string" },
    limit: { type: "string", default: "5" },
    "trl-shape": { type: "string" },
    scaling: { type: "boolean", default: true },
    markdown: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    smoke: { type: "boolean", default: false },
  },
  allowNegative: true,
});

interface MatrixPeak {
  by: string;
  bfloat16: number;
  float32: number;
}

async function main(): Promise<void> {
  const on = deviceKind(options.device);
  const preset = options.smoke ? smoke : on === "cuda" ? fullOnGpu : full;
  const shapes = (options.shapes?.split(",") ?? preset.shapes).map(parseShape);
  const dtypes = options.dtype.split(",") as Dtype[];
  const python = process.env.SWIRL_PYTHON;
  const names = (
    options.peers ??
    (on === "cuda" ? "hf-padded,hf-tuned,flex,no-sharing" : "hf-padded,hf-tuned,no-sharing,trl")
  )
    .split(",")
    .filter(Boolean) as PeerName[];
  const stray = names.find((name) => !peerNames.includes(name));
  if (stray) throw new Error(`--peers: no peer ${stray}; they are ${peerNames.join(", ")}`);
  const trlShape = options["trl-shape"] ?? (options.shapes ? shapeName(shapes[0]!) : preset.trlShape);
  const turns: TurnOptions = {
    on,
    rounds: Number(options.rounds ?? preset.rounds),
    limit: Number(options.limit),
    report: print,
  };
  const runs: Run = { python, names, trlShape, turns, versions: {}, peaks: [] };
  const machineUsed = machine(options.device);
  print(`${machineLine(machineUsed)}; ${machineUsed.engine.matrixLibrary}`);
  if (!python)
    print("SWIRL_PYTHON names no Python with torch and transformers: only no-sharing is compared with ours");

  const results: ShapeResult[] = [];
  let scaling: Scaling | undefined;
  for (const dtype of dtypes) {
    for (const model of new Set(shapes.map(({ model }) => model))) {
      const { config, folder } = await checkpoint(model);
      const ours = (await started("ours", startOurs(), folder, dtype, runs))!;
      try {
        const ofModel = shapes.filter((shape) => shape.model === model);
        results.push(...(await measureShapes(ours, ofModel, config, folder, dtype, runs)));
        const scaled = parseShape(preset.scaling.shape);
        if (options.scaling && dtype === dtypes[0] && scaled.model === model)
          scaling = await measureScaling(ours, config, scaled, preset.scaling, turns);
      } finally {
        await ours.process.close();
      }
    }
  }
  const best = (dtype: Dtype) => Math.max(...runs.peaks.map((peak) => peak[dtype]), 0);
  const peak: Peak = { bfloat16: best("bfloat16"), float32: best("float32") };
  const goals = judge(results, scaling, peak, on);
  const date = new Date().toISOString();
  const report = [
    `${date.slice(0, 10)}: ${machineLine(machineUsed)}; ${machineUsed.engine.matrixLibrary}. ${Object.entries(
      runs.versions,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.`,
    runs.peaks
      .map(
        ({ by, bfloat16, float32 }) =>
          `Matrix peak by ${by}: ${giga(bfloat16)} GFLOP/s bfloat16, ${giga(float32)} float32.`,
      )
      .join(" "),
    shapesReport(results, peak, on),
    scalingReport(scaling),
    goals.length > 0 && `Goals\n\n${goalsReport(goals)}`,
  ]
    .filter(Boolean)
    .join("\n\n");
  print(`\n${report}\n`);
  if (options.markdown) writeFileSync(options.markdown, `${report}\n`);
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `peers-${options.smoke ? "smoke-" : ""}${date.replace(/[:.]/g, "-")}.json`);
  const content = {
    date,
    machine: machineUsed,
    versions: runs.versions,
    options,
    peaks: runs.peaks,
    results,
    scaling,
    goals,
  };
  refuseNonFinite(content, "results");
  writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`);
  print(`raw numbers: ${file}`);
}

interface Run {
  python: string | undefined;
  names: PeerName[];
  trlShape: string;
  turns: TurnOptions;
  versions: Record<string, string>;
  peaks: MatrixPeak[];
}

async function checkpoint(model: Shape["model"]): Promise<{ config: ModelConfig; folder: string }> {
  const config = parseModelConfig(JSON.stringify(models[model].config), "bench/models.ts").model;
  return { config, folder: await checkpointOf(model) };
}

/** Every shape of a model, with as many peers at once as memory holds. */
async function measureShapes(
  ours: Participant,
  shapes: Shape[],
  config: ModelConfig,
  folder: string,
  dtype: Dtype,
  run: Run,
): Promise<ShapeResult[]> {
  const found = new Map<string, ShapeResult>();
  const wanted = run.names.filter((name) => !peers[name].script || run.python);
  const groups =
    run.turns.on === "cuda"
      ? oneByOne(wanted)
      : together(wanted, shapes, config, dtype, 0.8 * availableBytes());
  for (const group of groups) {
    const participants: Participant[] = [];
    try {
      for (const name of group) {
        const one = peers[name].script
          ? await started(name, startPeer(name, run.python!), folder, dtype, run)
          : { ...ours, name, rate: {} };
        if (one) participants.push(one);
      }
      for (const shape of shapes) {
        const name = shapeName(shape);
        const here = participants.filter((one) => one.name !== "trl" || name === run.trlShape);
        const result = await compareShape([ours, ...here], shape, config, dtype, run.turns);
        found.set(name, merged(found.get(name), result));
      }
    } finally {
      for (const { name, process } of participants) if (name !== "no-sharing") await process.close();
    }
  }
  return [...found.values()];
}

/** A participant ready to be measured; undefined, with a message, where a peer cannot run on the device. */
async function started(
  name: Participant["name"],
  process: PeerProcess,
  folder: string,
  dtype: Dtype,
  run: Run,
): Promise<Participant | undefined> {
  const request = {
    folder,
    dtype,
    device: options.device,
    threads: machine().cores,
    options: name === "ours" ? {} : (peers[name].options?.[run.turns.on] ?? {}),
  };
  const versions = await process.ask<Record<string, string>>("hello");
  const baseBytes = run.turns.on === "cuda" ? 0 : residentBytes(process.pid).now;
  const { stateBytes, unavailable } = await process.ask<{ stateBytes: number; unavailable?: string }>(
    "load",
    request,
  );
  if (unavailable) {
    print(`${name} is left out: ${unavailable}`);
    await process.close();
    return undefined;
  }
  Object.assign(run.versions, versions);
  await measurePeak(name, process, run);
  return { name, process, stateBytes, baseBytes, rate: {} };
}

/** Once per run and library: torch's big product, and the engine's own. */
async function measurePeak(name: Participant["name"], process: PeerProcess, run: Run): Promise<void> {
  const size = options.smoke ? 256 : run.turns.on === "cuda" ? 8192 : 4096;
  if (name === "ours") {
    const by = "the engine's own product";
    const own = await process.ask<NativeProfile["peaks"]>("peaks");
    if (!run.peaks.some((peak) => peak.by === by))
      run.peaks.push({ by, bfloat16: own.bfloat16.product, float32: own.float32.product });
  } else if (name !== "trl" && !run.peaks.some(({ by }) => by.startsWith("torch"))) {
    const of = async (dtype: Dtype) =>
      (await process.ask<{ flops: number }>("matrixPeak", { dtype, size })).flops;
    run.peaks.push({
      by: `torch's product of ${size}²`,
      bfloat16: await of("bfloat16"),
      float32: await of("float32"),
    });
  }
}

function availableBytes(): number {
  const kibibytes = /^MemAvailable:\s*(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return Number(kibibytes) * 1024;
}

function refuseNonFinite(value: unknown, path: string): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`${path} is ${value}`);
  if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) refuseNonFinite(inner, `${path}.${key}`);
}

function giga(value: number): string {
  return (value / 1e9).toFixed(0);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
