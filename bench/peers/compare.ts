/** One shape: everybody's times of both operations, their ratios, and the check that they computed the same. */
import type { Dtype, ModelConfig } from "../../src/native/addon.js";
import { type Extent, type Flops, flops, rowsExtent, treeExtent } from "../flops.js";
import { plainRows } from "../rows.js";
import { makeTree, type Sequence, type Shape, shapeName } from "../shape.js";
import { type Spread, spread } from "../spread.js";
import type { PeerName } from "./peers.js";
import { inTurns, type Measurement, type Op, type Participant, type TurnOptions } from "./turns.js";

export interface OpResult {
  /** Counted operations of the tree, and of every sequence alone. */
  work: { tree: Flops; sequences: Flops };
  ours: Measurement;
  peers: Partial<Record<PeerName, Measurement & { ratio: Spread }>>; // ratio: the peer's time over ours, by round
}

export interface ShapeResult {
  name: string;
  shape: Shape;
  dtype: Dtype;
  tree: Extent;
  sequences: Extent;
  ops: Record<Op, OpResult>;
  /** Largest difference of an action's log-prob to ours, in nats per token, by peer. */
  disagreement: Partial<Record<PeerName, number>>;
}

/** The largest difference allowed between two ways to compute the same, in nats per token. */
const tolerance: Record<Dtype, number> = { bfloat16: 0.1, float32: 1e-3 };

export async function compareShape(
  participants: Participant[],
  shape: Shape,
  model: ModelConfig,
  dtype: Dtype,
  options: TurnOptions,
): Promise<ShapeResult> {
  const name = shapeName(shape);
  const { sequences } = makeTree(shape, model.vocab);
  const tree = treeExtent(sequences);
  const alone = rowsExtent(plainRows(sequences));
  options.report(
    `${name} ${dtype}: ${sequences.length} sequences, ${alone.tokens} sequence tokens, ${tree.tokens} tree tokens`,
  );
  const result: ShapeResult = {
    name,
    shape,
    dtype,
    tree,
    sequences: alone,
    ops: {} as Record<Op, OpResult>,
    disagreement: {},
  };
  for (const op of ["logprobs", "update"] as const) {
    const measured = await inTurns(participants, sequences, model, op, options);
    if (op === "logprobs") result.disagreement = disagreement(measured, sequences, dtype);
    else refuseOtherGradients(measured);
    const { ours, ...others } = Object.fromEntries(
      [...measured].map(([name, { sums: _, ...rest }]) => [name, rest]),
    ) as Record<Participant["name"], Measurement>;
    const withRatio = Object.entries(others).map(([name, peer]) => [
      name,
      { ...peer, ratio: spread(peer.seconds.samples.map((time, i) => time / ours.seconds.samples[i]!)) },
    ]);
    result.ops[op] = {
      work: { tree: flops(model, tree, op), sequences: flops(model, alone, op) },
      ours,
      peers: Object.fromEntries(withRatio),
    };
  }
  return result;
}

/** The same shape measured with other peers: ours keeps the rounds of both, ratios stay within their own. */
export function merged(earlier: ShapeResult | undefined, later: ShapeResult): ShapeResult {
  if (!earlier) return later;
  const both = (op: Op): OpResult => {
    const [a, b] = [earlier.ops[op], later.ops[op]];
    const seconds = spread([...a.ours.seconds.samples, ...b.ours.seconds.samples]);
    const products = [...(a.ours.products ?? []), ...(b.ours.products ?? [])];
    return {
      ...b,
      ours: {
        ...b.ours,
        seconds,
        raw: [...a.ours.raw, ...b.ours.raw],
        memory: a.ours.memory.peak > b.ours.memory.peak ? a.ours.memory : b.ours.memory,
        ...(products.length > 0 && { products }),
      },
      peers: { ...a.peers, ...b.peers },
    };
  };
  return {
    ...later,
    ops: { logprobs: both("logprobs"), update: both("update") },
    disagreement: { ...earlier.disagreement, ...later.disagreement },
  };
}

/** A peer that ran the whole batch has our loss and so our gradient, to the rounding of bfloat16. */
function refuseOtherGradients(measured: Map<Participant["name"], Measurement>): void {
  const ours = measured.get("ours")!.metrics!.gradNorm;
  for (const [name, { gradNorm, microBatches }] of measured) {
    if (gradNorm === undefined || microBatches.run < microBatches.all) continue;
    if (!(Math.abs(gradNorm / ours - 1) < 0.05))
      throw new Error(`${name}'s gradient has norm ${gradNorm}, ours ${ours}: not the same work`);
  }
}

function disagreement(
  measured: Map<Participant["name"], Measurement>,
  sequences: Sequence[],
  dtype: Dtype,
): ShapeResult["disagreement"] {
  const ours = new Map(measured.get("ours")!.sums!.map(({ sequence, sum }) => [sequence, sum]));
  const found: ShapeResult["disagreement"] = {};
  for (const [name, { sums }] of measured) {
    if (name === "ours" || !sums) continue;
    const differences = sums.map(({ sequence, sum }) => {
      const { tokens, actionStart } = sequences[sequence]!;
      return Math.abs(sum - ours.get(sequence)!) / (tokens.length - actionStart);
    });
    const largest = Math.max(...differences);
    if (!(largest <= tolerance[dtype]))
      throw new Error(`${name}'s log-probs differ from ours by ${largest} nats a token: not the same work`);
    found[name] = largest;
  }
  return found;
}
