/**
 * Ours and the peers in turns (A B C A B C …) on one shape. Ours runs the whole batch. A peer whose whole batch would
 * take longer than the limit runs evenly spaced micro-batches of it and is scaled by counted operations; what does not
 * grow with the batch (the optimizer step) is timed apart and not scaled.
 */
import type { ModelConfig, NativeUpdateMetrics } from "../../src/native/addon.js";
import { flops, rowsExtent } from "../flops.js";
import { resetPeak, residentBytes } from "../machine.js";
import type { PeerProcess } from "../peer-process.js";
import { plainRows, type Row } from "../rows.js";
import type { Sequence } from "../shape.js";
import { type Spread, spread } from "../spread.js";
import { type DeviceKind, type PeerName, peers } from "./peers.js";

export type Op = "logprobs" | "update";

/** Someone in the round. `baseBytes`: resident before a model was loaded, the language's own runtime; 0 on a GPU. */
export interface Participant {
  name: PeerName | "ours";
  process: PeerProcess;
  stateBytes: number;
  baseBytes: number;
  /** Operations per second of the last measurement, to estimate how long the next one will take. */
  rate: Partial<Record<Op, number>>;
}

export interface Raw {
  seconds: number;
  fixedSeconds: number;
}

export interface Measurement {
  seconds: Spread; // of the whole batch
  raw: Raw[]; // as timed
  sampledOneIn: number; // 1: nothing is extrapolated
  microBatches: { run: number; all: number };
  memory: {
    /** Of the whole process; on a GPU of the device memory that its tensors take. */
    peak: number;
    /** Beyond the runtime, weights, gradients and optimizer state. */
    beyondState: number;
  };
  metrics?: NativeUpdateMetrics; // ours, of the last round
  products?: { seconds: number; inside: number; flops: number }[]; // ours: a round's engine time, products' time and work
  sums?: { sequence: number; sum: number }[]; // of the actions' log-probs
  gradNorm?: number; // of the last round, where the loss is ours
}

interface Reply {
  seconds: number;
  peakBytes?: number; // of a GPU's memory
  fixedSeconds?: number;
  sums?: number[];
  gradNorm?: number;
  metrics?: NativeUpdateMetrics;
  products?: { seconds: number; inside: number; flops: number };
}

export interface TurnOptions {
  on: DeviceKind;
  rounds: number;
  limit: number; // seconds of one timing of a peer
  report: (text: string) => void;
}

export async function inTurns(
  participants: Participant[],
  sequences: Sequence[],
  model: ModelConfig,
  op: Op,
  options: TurnOptions,
): Promise<Map<Participant["name"], Measurement>> {
  const turns = [];
  for (const participant of participants)
    turns.push(await prepare(participant, sequences, model, op, options));
  for (const { participant } of turns) resetPeak(participant.process.pid);
  for (let round = 1; round <= options.rounds; round++) {
    const shown: string[] = [];
    for (const turn of turns) {
      const reply = await turn.participant.process.ask<Reply>(op, turn.request);
      turn.replies.push(reply);
      const peak = reply.peakBytes ?? residentBytes(turn.participant.process.pid).peak;
      turn.peakBytes = Math.max(turn.peakBytes, peak);
      shown.push(`${turn.participant.name} ${wholeSeconds(turn, reply).toFixed(2)}`);
    }
    options.report(`  ${op} ${round}/${options.rounds}, seconds: ${shown.join(", ")}`);
  }
  return new Map(turns.map((turn) => [turn.participant.name, measured(turn, op)]));
}

interface Turn {
  participant: Participant;
  request: object;
  actions: number[]; // that are run, in order: their sequences
  scale: number;
  work: number; // operations of what is run
  microBatches: Measurement["microBatches"];
  replies: Reply[];
  peakBytes: number;
}

/** Chooses what a participant runs, after a first call that also warms it up where its speed is not known yet. */
async function prepare(
  participant: Participant,
  sequences: Sequence[],
  model: ModelConfig,
  op: Op,
  { limit, on }: TurnOptions,
): Promise<Turn> {
  const peer = participant.name === "ours" ? undefined : peers[participant.name];
  const batches = peer ? peer.batches(sequences, on) : plainRows(sequences).map((row) => [row]);
  const padTo = peer?.padded ? Math.max(...sequences.map(({ tokens }) => tokens.length)) : 0;
  const workOf = (part: Row[][]) => flops(model, rowsExtent(part.flat(), padTo), op).total;
  const how = peer?.script ? { padTo } : { tree: peer === undefined };
  const request = (part: Row[][]) => ({ batches: part, ...how });
  const all = workOf(batches);
  let chosen = batches;
  if (peer) {
    if (participant.rate[op] === undefined) {
      const first = spaced(batches, 1);
      // On a GPU the first call also loads and tunes kernels.
      if (on === "cuda") await participant.process.ask<Reply>(op, request(first));
      const { seconds } = await participant.process.ask<Reply>(op, request(first));
      participant.rate[op] = workOf(first) / seconds;
    }
    const predicted = all / participant.rate[op]!;
    if (predicted > limit)
      chosen = spaced(batches, Math.max(1, Math.floor((batches.length * limit) / predicted)));
  } else if (participant.rate[op] === undefined) {
    await participant.process.ask<Reply>(op, request(batches));
  }
  return {
    participant,
    request: request(chosen),
    actions: chosen.flat().flatMap(({ actions }) => actions.map(({ sequence }) => sequence)),
    scale: all / workOf(chosen),
    work: workOf(chosen),
    microBatches: { run: chosen.length, all: batches.length },
    replies: [],
    peakBytes: 0,
  };
}

/** `count` of the items at even distances, the middle one for a single one. */
export function spaced<T>(items: T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)]!);
}

function wholeSeconds({ scale }: Turn, { seconds, fixedSeconds = 0 }: Reply): number {
  return seconds * scale + fixedSeconds;
}

function measured(turn: Turn, op: Op): Measurement {
  const { participant, replies, peakBytes } = turn;
  const raw = replies.map(({ seconds, fixedSeconds = 0 }) => ({ seconds, fixedSeconds }));
  participant.rate[op] = turn.work / spread(raw.map(({ seconds }) => seconds)).median;
  const last = replies.at(-1)!;
  const products = replies.flatMap(({ products }) => products ?? []);
  return {
    seconds: spread(replies.map((reply) => wholeSeconds(turn, reply))),
    raw,
    sampledOneIn: turn.scale,
    microBatches: turn.microBatches,
    memory: {
      peak: peakBytes,
      beyondState: Math.max(0, peakBytes - participant.baseBytes - participant.stateBytes),
    },
    ...(last.metrics && { metrics: last.metrics }),
    ...(last.gradNorm !== undefined && { gradNorm: last.gradNorm }),
    ...(products.length > 0 && { products }),
    ...(last.sums && { sums: last.sums.map((sum, i) => ({ sequence: turn.actions[i]!, sum })) }),
  };
}
