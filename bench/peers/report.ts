/** A run's results as Markdown: what the terminal shows is what a document can include. */
import { shown } from "../spread.js";
import { gibibytes, ratio, table } from "../tables.js";
import type { ShapeResult } from "./compare.js";
import { dedupEfficiency, flopRatio, type Goal, insideProducts, type Peak, percent } from "./goals.js";
import { type DeviceKind, type PeerName, peers } from "./peers.js";
import type { Scaling } from "./scaling.js";
import type { Measurement, Op } from "./turns.js";

const heads: Record<Op, string> = { logprobs: "Log-probs", update: "Update" };

export function shapesReport(results: ShapeResult[], peak: Peak, on: DeviceKind): string {
  if (results.length === 0) return "";
  const present = (Object.keys(peers) as PeerName[]).filter((name) =>
    results.some(({ ops }) => ops.update.peers[name]),
  );
  const parts = (["logprobs", "update"] as const).map((op) => {
    const rows = results.map((result) => {
      const of = result.ops[op];
      const share = of.work.tree.total / of.ours.seconds.median / peak[result.dtype];
      const efficiency = dedupEfficiency(of);
      return [
        `${result.name} ${result.dtype === "float32" ? "f32" : "bf16"}`,
        `${result.sequences.tokens} / ${result.tree.tokens}`,
        shown(of.ours.seconds, 2),
        String(Math.round(result.tree.tokens / of.ours.seconds.median)),
        percent(share),
        ...present.map((name) => peerCell(of.peers[name])),
        flopRatio(of).toFixed(2),
        efficiency === undefined ? "–" : efficiency.toFixed(2),
      ];
    });
    const head = ["shape", "tokens: sequences / tree", "ours, s", "tree tokens/s", "of the peak"];
    const labels = present.map((name) => `over ${name === "trl" ? "TRL" : name}`);
    return `${heads[op]}\n\n${table([...head, ...labels, "FLOP ratio", "dedup efficiency"], rows)}`;
  });
  return [...parts, memoryReport(results, present, on), productsReport(results, peak)]
    .filter(Boolean)
    .join("\n\n");
}

function peerCell(of: (Measurement & { ratio: Parameters<typeof ratio>[0] }) | undefined): string {
  if (!of) return "–";
  const sampled = of.sampledOneIn > 1.001 ? `, sampled 1 in ${of.sampledOneIn.toFixed(1)}` : "";
  return `${ratio(of.ratio)}${sampled}`;
}

function memoryReport(results: ShapeResult[], present: PeerName[], on: DeviceKind): string {
  const others = present.filter((name) => name !== "no-sharing"); // no-sharing shares our process
  const rows = results.map(({ name, dtype, ops: { update } }) => [
    `${name} ${dtype === "float32" ? "f32" : "bf16"}`,
    memoryCell(update.ours),
    gibibytes(update.ours.metrics?.peakBytes ?? 0),
    ...others.map((peer) => memoryCell(update.peers[peer])),
  ]);
  const labels = others.map((name) => (name === "trl" ? "TRL" : name));
  const title =
    on === "cuda"
      ? "Peak GPU memory of an update: all tensors (beyond weights, gradients and optimizer state)"
      : "Peak memory of an update: the whole process (beyond its runtime, weights, gradients and optimizer state)";
  return `${title}\n\n${table(["shape", "ours", "of it the engine", ...labels], rows)}`;
}

function memoryCell(of: Measurement | undefined): string {
  if (!of) return "–";
  return `${gibibytes(of.memory.peak)} (${gibibytes(of.memory.beyondState)})`;
}

function productsReport(results: ShapeResult[], peak: Peak): string {
  const rows = results.flatMap(({ name, dtype, ops: { update } }) => {
    const inside = insideProducts(update);
    if (!inside) return [];
    return [[`${name} ${dtype}`, percent(inside.rate / peak[dtype]), percent(inside.outside)]];
  });
  if (rows.length === 0) return "";
  return `The update by the engine's own timers\n\n${table(["shape", "products at, of the peak", "time outside products"], rows)}`;
}

export function scalingReport(scaling: Scaling | undefined): string {
  if (!scaling) return "";
  const rows = (["G", "K"] as const).flatMap((letter) =>
    scaling[letter === "G" ? "byG" : "byK"].logprobs.map((point, i) => {
      const update = scaling[letter === "G" ? "byG" : "byK"].update[i]!;
      return [
        `${letter}=${point.size}`,
        String(point.treeTokens),
        shown(point.seconds, 2),
        shown(update.seconds, 2),
      ];
    }),
  );
  const { model, K, G, N, P } = scaling.shape;
  const title = `Scaling of ours: ${model}, K=${K}, G=${G}, N=${N}, P=${P} where not said otherwise`;
  return `${title}\n\n${table(["", "tree tokens", "log-probs, s", "update, s"], rows)}`;
}

export function goalsReport(goals: Goal[]): string {
  const verdict = ({ met }: Goal) => (met === null ? "not measured" : met ? "met" : "**not met**");
  return table(
    ["goal", "where", "target", "measured", ""],
    goals.map((goal) => [goal.goal, goal.where, goal.target, goal.measured, verdict(goal)]),
  );
}
