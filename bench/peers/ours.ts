/**
 * Our engine as a peer's process: the same requests, so that its memory is measured like everyone's. With
 * "tree": false every row is a tree of its own (no-sharing).
 */
import { createInterface } from "node:readline";
import type { Dtype, NativeProfile, NativeUpdateMetrics } from "../../src/native/addon.js";
import type { Engine } from "../../src/native/engine.js";
import { benchEngine } from "../engine.js";
import type { Row } from "../rows.js";
import { spread } from "../spread.js";
import { loss, optimizer } from "../update.bench.js";

interface Request {
  batches: Row[][];
  tree: boolean;
}

let engine: Engine | undefined;
let loadedFrom: { folder: string; dtype: Dtype; device: string } | undefined;
/** Of an update of one label: AdamW and everything else that does not depend on the batch. */
let fixedSeconds = 0;

/** A GPU's kernels are not timed one by one: each would be waited for, and the whole step is what is measured. */
async function load(from: NonNullable<typeof loadedFrom>): Promise<object> {
  loadedFrom = from;
  engine = await benchEngine(from.folder, from.dtype, true, from.device, from.device === "cpu");
  const one = [{ tokens: Int32Array.of(3, 4), actionStart: 1, advantage: 0 }];
  const times: number[] = [];
  for (let i = 0; i < 4; i++) times.push(await seconds(() => loaded().update(one, loss, optimizer)));
  fixedSeconds = spread(times.slice(1)).median; // the first allocates the moments
  return { stateBytes: engine.memory().bytes, fixedSeconds };
}

async function logprobs({ batches, tree }: Request): Promise<object> {
  const sequences = sequencesOf(batches);
  let values: Float32Array[] = [];
  const time = await seconds(async () => {
    values = await loaded().logprobs(sequences, { temperature: 1, tree });
  });
  return {
    seconds: time,
    sums: values.map((row) => row.reduce((sum, value) => sum + value, 0)),
    ...deviceMemory(),
  };
}

async function update({ batches, tree }: Request): Promise<object> {
  const sequences = sequencesOf(batches);
  const profiled = loadedFrom?.device === "cpu";
  const before = profiled && (await loaded().profile());
  let metrics: NativeUpdateMetrics | undefined;
  const time = await seconds(async () => {
    metrics = await loaded().update(sequences, { ...loss, tree }, optimizer);
  });
  const fixed = Math.min(fixedSeconds, time);
  return {
    seconds: time - fixed,
    fixedSeconds: fixed,
    metrics,
    ...(before && { products: products(before, await loaded().profile()) }),
    ...deviceMemory(),
  };
}

/** A GPU's memory is not the process's: the engine says how much it held at most. */
function deviceMemory(): { peakBytes?: number } {
  return loadedFrom?.device === "cpu" ? {} : { peakBytes: loaded().memory().peakBytes };
}

/** Rows with one action each; the engine's own labels are one interval a sequence. */
function sequencesOf(batches: Row[][]) {
  return batches.flat().map(({ tokens, actions: [action] }) => ({
    tokens: Int32Array.from(tokens),
    actionStart: action!.start,
    advantage: action!.advantage,
  }));
}

/** Of the updates between two profiles: seconds in all and inside matrix products, and the products' operations. */
function products(before: NativeProfile, after: NativeProfile): object {
  const sums = (found: NativeProfile) => {
    const call = found.calls.find(({ call }) => call === "update");
    const gemm = call?.ops.find(({ op }) => op === "gemm");
    return { seconds: call?.seconds ?? 0, inside: gemm?.seconds ?? 0, flops: gemm?.flops ?? 0 };
  };
  const [from, to] = [sums(before), sums(after)];
  return {
    seconds: to.seconds - from.seconds,
    inside: to.inside - from.inside,
    flops: to.flops - from.flops,
  };
}

function loaded(): Engine {
  if (!engine) throw new Error("no model is loaded");
  return engine;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** The device's matrix peaks, by the engine's own products. */
async function peaks(): Promise<object> {
  const { folder, dtype, device } = loadedFrom!;
  if (device === "cpu") return (await loaded().profile()).peaks;
  await using measuring = await benchEngine(folder, dtype, false, device, true);
  return (await measuring.profile()).peaks;
}

const operations: Record<string, (request: never) => Promise<object>> = {
  hello: async () => ({}),
  load,
  peaks,
  logprobs,
  update,
};
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await operations[op]!(request as never))}\n`);
}
engine?.dispose();
