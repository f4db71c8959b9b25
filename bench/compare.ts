/**
 * Ours and B1 in turns (A B A B …) on the same trees in the same run. A figure is the ratio of sequence tokens per
 * second, round by round; B1 times `rows` of its rows, all of one padded length, and is scaled to all of them.
 */
import type { Dtype } from "../src/native/addon.js";
import type { Engine } from "../src/native/engine.js";
import { B1 } from "./peers/b1.js";
import type { Tree } from "./shape.js";
import { type Spread, spread } from "./spread.js";
import { loss, optimizer } from "./update.bench.js";

export interface CompareOptions {
  python: string;
  config: object;
  rounds: number;
  rows: number; // of B1's rows that are really run; all others cost the same
  microBatch: number; // rows
  logits: "all" | "action";
  threads: number;
}

export interface Comparison {
  dtype: Dtype;
  ours: { logprobs: Spread; update: Spread; peakBytes: number; treeTokens: number };
  b1: { logprobs: Spread; update: Spread; peakBytes: number; paddedTokens: number };
  /** Sequence tokens per second, ours over B1's, per round. */
  logprobsRatio: Spread;
  updateRatio: Spread;
  /** Largest difference of a sequence's log-prob, per token: that both compute the same; only with a checkpoint. */
  disagreement: number | null;
  /** What the ratios would be were B1 to waste nothing on padding: rows sorted by length, say. */
  withoutPadding: { logprobs: number; update: number };
  matrixPeak: { bfloat16: number; float32: number }; // FLOP/s, torch, in this run
}

interface Timed {
  seconds: number;
  sums?: number[]; // of the action's log-probs, per row
  rows: number;
  optimizerSeconds?: number;
}

export async function compare(
  engine: Engine,
  tree: Tree,
  dtype: Dtype,
  options: CompareOptions,
  report: (text: string) => void,
): Promise<Comparison> {
  const b1 = new B1(options.python);
  try {
    return await inTurns(engine, b1, tree, dtype, options, report);
  } finally {
    await b1.close();
  }
}

async function inTurns(
  engine: Engine,
  b1: B1,
  tree: Tree,
  dtype: Dtype,
  options: CompareOptions,
  report: (text: string) => void,
): Promise<Comparison> {
  const folder = process.env.SWIRL_MODEL ?? null;
  await b1.ask("load", {
    folder,
    config: options.config,
    dtype,
    threads: options.threads,
    attention: "sdpa",
  });
  const peak = async (kind: Dtype) =>
    (await b1.ask<{ flops: number }>("matrixPeak", { dtype: kind, size: 2048 })).flops;
  const matrixPeak = { bfloat16: await peak("bfloat16"), float32: await peak("float32") };
  const sequences = shuffled(tree).map(({ tokens, actionStart, advantage }) => ({
    tokens: [...tokens],
    actionStart,
    advantage,
  }));
  const request = { sequences, rows: options.rows, microBatch: options.microBatch, logits: options.logits };
  const scale = sequences.length / options.rows;
  const b1Seconds = async (op: "logprobs" | "update") => {
    const { seconds, optimizerSeconds } = await b1.ask<Timed>(op, request);
    return seconds * scale + (optimizerSeconds ?? 0);
  };
  const disagreement = folder ? await largestDifference(engine, b1, request) : null;
  const times = {
    ours: { logprobs: [] as number[], update: [] as number[] },
    b1: { logprobs: [] as number[], update: [] as number[] },
  };
  let treeTokens = 0;
  for (let round = 0; round <= options.rounds; round++) {
    const logprobs = await seconds(() => engine.logprobs(tree.sequences, { temperature: 1, tree: true }));
    const theirLogprobs = await b1Seconds("logprobs");
    const update = await seconds(async () => {
      treeTokens = (await engine.update(tree.sequences, loss, optimizer)).treeTokens;
    });
    const theirUpdate = await b1Seconds("update");
    report(
      `${dtype} ${round === 0 ? "warm-up" : `round ${round}`}: log-probs ${logprobs.toFixed(2)} s, B1 ${theirLogprobs.toFixed(1)} s; ` +
        `update ${update.toFixed(2)} s, B1 ${theirUpdate.toFixed(1)} s`,
    );
    if (round === 0) continue;
    times.ours.logprobs.push(logprobs);
    times.b1.logprobs.push(theirLogprobs);
    times.ours.update.push(update);
    times.b1.update.push(theirUpdate);
  }
  const ratio = (op: "logprobs" | "update") =>
    spread(times.b1[op].map((time, i) => time / times.ours[op][i]!));
  const paddedTokens = sequences.length * Math.max(...sequences.map(({ tokens }) => tokens.length));
  const useful = tree.sequenceTokens / paddedTokens;
  const { peakBytes } = await b1.ask<{ peakBytes: number }>("memory");
  return {
    dtype,
    ours: {
      logprobs: spread(times.ours.logprobs),
      update: spread(times.ours.update),
      peakBytes: engine.memory().peakBytes,
      treeTokens,
    },
    b1: { logprobs: spread(times.b1.logprobs), update: spread(times.b1.update), peakBytes, paddedTokens },
    disagreement,
    logprobsRatio: ratio("logprobs"),
    updateRatio: ratio("update"),
    withoutPadding: { logprobs: ratio("logprobs").median * useful, update: ratio("update").median * useful },
    matrixPeak,
  };
}

async function largestDifference(
  engine: Engine,
  b1: B1,
  request: { sequences: { tokens: number[]; actionStart: number }[] },
): Promise<number> {
  const { sums } = await b1.ask<Timed>("logprobs", request);
  const rows = request.sequences.slice(0, sums!.length);
  const ours = await engine.logprobs(
    rows.map(({ tokens, actionStart }) => ({ tokens: Int32Array.from(tokens), actionStart })),
    { temperature: 1, tree: true },
  );
  const differences = ours.map(
    (values, i) => Math.abs(values.reduce((x, y) => x + y, 0) - sums![i]!) / values.length,
  );
  const largest = Math.max(...differences);
  if (!(largest < 0.1))
    throw new Error(`log-probs differ from B1's by ${largest} per token: not the same model`);
  return largest;
}

/** A trainer's rows come in no order of length; the sample that B1 runs must be like the rest. */
function shuffled({ sequences }: Tree): Tree["sequences"] {
  return sequences.map((_, i) => sequences[(i * 37 + 11) % sequences.length]!);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
