/** The goals for the CPU and for a GPU (an H100), judged by what this run measured. A goal that it did not measure is neither met nor missed. */
import type { ModelName } from "../models.js";
import type { OpResult, ShapeResult } from "./compare.js";
import type { DeviceKind, PeerName } from "./peers.js";
import type { Scaling } from "./scaling.js";
import type { Measurement, Op } from "./turns.js";

export interface Goal {
  goal: string;
  where: string;
  target: string;
  measured: string;
  met: boolean | null; // null: not measured
}

/** Operations per second of a matrix product, the best that was measured here, by element type. */
export type Peak = Record<"bfloat16" | "float32", number>;

const ops: Op[] = ["logprobs", "update"];

export function judge(
  results: ShapeResult[],
  scaling: Scaling | undefined,
  peak: Peak,
  on: DeviceKind,
): Goal[] {
  return on === "cuda" ? results.flatMap(judgeOnGpu) : judgeOnCpu(results, scaling, peak);
}

/** Tree tokens per second of an update, by model. */
const throughput: Partial<Record<ModelName, number>> = { "qwen2.5": 175_000, "qwen2.5-1.5b": 65_000 };

function judgeOnGpu({ name, shape: { model, K, G }, dtype, tree, ops: { update } }: ShapeResult): Goal[] {
  const where = `${name} ${dtype}`;
  const goals: Goal[] = [];
  if (K === 8 && G === 8)
    goals.push(
      faster(where, "update", update, "hf-padded", 100),
      faster(where, "update", update, "hf-tuned", 15),
    );
  const target = throughput[model];
  if (target)
    goals.push(
      atLeast("update: tree tokens a second", where, tree.tokens / update.ours.seconds.median, target, (x) =>
        x.toFixed(0),
      ),
    );
  return goals;
}

function judgeOnCpu(results: ShapeResult[], scaling: Scaling | undefined, peak: Peak): Goal[] {
  const goals: Goal[] = [];
  for (const result of results) {
    const { K, G, N } = result.shape;
    const where = `${result.name} ${result.dtype}`;
    for (const op of ops) {
      const of = result.ops[op];
      if (K === 8 && G === 8)
        goals.push(faster(where, op, of, "hf-padded", 35), faster(where, op, of, "hf-tuned", 10));
      if (K === 1 && G === 1 && N === 1) goals.push(faster(where, op, of, "hf-padded", 2.5));
      const efficiency = dedupEfficiency(of);
      if (K * G * N > 1)
        goals.push(
          atLeast(`${op}: speed-up over no-sharing ÷ FLOP ratio`, where, efficiency, 0.9, (x) =>
            x.toFixed(2),
          ),
        );
    }
    const inside = insideProducts(result.ops.update);
    if (K === 8 && G === 8) {
      goals.push(
        atLeast(
          "update: rate of the matrix products ÷ peak",
          where,
          inside && inside.rate / peak[result.dtype],
          0.75,
          percent,
        ),
        atMost("update: time outside matrix products", where, inside?.outside, 0.35, percent),
      );
      const memory = (part: keyof Measurement["memory"]) => memoryRatio(result.ops.update, part);
      const shown = (x: number) => x.toFixed(2);
      goals.push(
        atMost("update: peak resident memory ÷ hf-padded's", where, memory("peak"), 0.25, shown),
        atMost(
          "update: the same beyond runtime, weights, gradients and moments",
          where,
          memory("beyondState"),
          0.25,
          shown,
        ),
      );
    }
  }
  if (scaling) goals.push(...judgeScaling(scaling, peak.bfloat16));
  return goals;
}

function judgeScaling(scaling: Scaling, peak: number): Goal[] {
  const name = `${scaling.shape.model}, N=${scaling.shape.N}, P=${scaling.shape.P}`;
  return ops.flatMap((op) => {
    const { time, treeTokens } = scaling.doublingG[op];
    const [before, after] = scaling.byG[op].slice(-2).map(({ size }) => size);
    const doubling = `${op}: time of G=${after} ÷ G=${before}, K=${scaling.shape.K} (tokens ${treeTokens.toFixed(2)}×)`;
    const { coefficients, rSquared } = scaling.timeAgainstK[op];
    const attention = scaling.impliedAttentionRate[op];
    const explained =
      attention === null ? "no quadratic part" : `attention at ${percent(attention / peak)} of the peak`;
    return [
      atMost(doubling, name, time, 1.75, (x) => `${x.toFixed(2)}×`),
      {
        goal: `${op}: time against K is c₀ + c₁K + c₂K², c₂ explained by attention`,
        where: name,
        target: "R² ≥ 0.99, attention ≥ 10 % of the peak",
        measured: `R² ${rSquared.toFixed(4)}, ${coefficients.map((c) => c.toPrecision(3)).join(", ")} s; ${explained}`,
        met: rSquared >= 0.99 && (attention ?? Number.POSITIVE_INFINITY) >= 0.1 * peak,
      },
    ];
  });
}

/** (speed-up over every sequence alone) ÷ (counted operations saved). */
export function dedupEfficiency(of: OpResult): number | undefined {
  const speedUp = of.peers["no-sharing"]?.ratio.median;
  return speedUp === undefined ? undefined : speedUp / flopRatio(of);
}

export function flopRatio({ work }: OpResult): number {
  return work.sequences.total / work.tree.total;
}

/** By the engine's own timers: the products' rate, and the share of its time that is outside them. */
export function insideProducts({ ours }: OpResult): { rate: number; outside: number } | undefined {
  const sum = (of: "seconds" | "inside" | "flops") =>
    (ours.products ?? []).reduce((total, round) => total + round[of], 0);
  if (sum("inside") === 0) return undefined;
  return { rate: sum("flops") / sum("inside"), outside: 1 - sum("inside") / sum("seconds") };
}

function memoryRatio({ ours, peers }: OpResult, part: keyof Measurement["memory"]): number | undefined {
  const theirs = peers["hf-padded"]?.memory[part];
  return theirs ? ours.memory[part] / theirs : undefined;
}

function faster(where: string, op: Op, of: OpResult, peer: PeerName, target: number): Goal {
  const measured = of.peers[peer];
  const sampled =
    measured && measured.sampledOneIn > 1.001 ? `, its 1 in ${measured.sampledOneIn.toFixed(1)}` : "";
  return atLeast(
    `${op}: times faster than ${peer === "trl" ? "TRL" : peer}`,
    where,
    measured?.ratio.median,
    target,
    (x) => `${x.toFixed(1)}×${sampled}`,
  );
}

function atLeast(
  goal: string,
  where: string,
  value: number | undefined,
  target: number,
  shown: (x: number) => string,
): Goal {
  const measured = value === undefined ? "not measured" : shown(value);
  return { goal, where, target: `≥ ${target}`, measured, met: value === undefined ? null : value >= target };
}

function atMost(
  goal: string,
  where: string,
  value: number | undefined,
  target: number,
  shown: (x: number) => string,
): Goal {
  const measured = value === undefined ? "not measured" : shown(value);
  return { goal, where, target: `≤ ${target}`, measured, met: value === undefined ? null : value <= target };
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
