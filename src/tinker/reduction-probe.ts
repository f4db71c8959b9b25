/**
 * Measures how a server reduces (reduction.ts), on a model of its own that is thrown away.
 *
 * Each experiment is a step with learning rate 0, of which only the reported gradient norm is read. With d a datum of one
 * scored token, g the gradient of its log-prob, and z a datum of advantage 0, the norms of [d], [d, d], [d made longer],
 * [d, z] and [d], [z] in two calls are g times what the reduction says. Their ratios are known for every reduction, so the
 * one that fits is found; where none fits, or two do, training would have an unknown scale, and the probe refuses.
 *
 * It also checks that the gradient is linear in the advantages, and that it does not depend on how many of them are not 0:
 * for two scored tokens, |g₁ + g₂|² + |g₁ - g₂|² = 2|g₁|² + 2|g₂|².
 */
import { SwirlError } from "../errors/swirl-error.js";
import { gradientDatum, type ScoredTokens, scoringDatum, weightedDatum } from "./datum.js";
import type { Datum } from "./messages.js";
import { REDUCTIONS, type Reduction, reductionFactors } from "./reduction.js";
import type { LossFn, TrainingClient } from "./training-client.js";

export interface ProbeResult {
  reduction: Reduction;
  /** Whether the server's cross_entropy, with weights of either sign, is -Σ weights·log π under the same reduction. */
  crossEntropy: boolean;
}

/** Relative difference of norms that bfloat16 and another padding explain; reductions differ by a third or more. */
const TOLERANCE = 0.12;
/** Tokens of the short datum, of the longer one, and of the one without a gradient; their ratios tell the reductions apart. */
const LENGTHS = { short: 13, long: 37, silent: 22 };

/** `text`: at least 37 token ids of ordinary text. Rejects with CONFIG when the reduction cannot be found, ENDPOINT. */
export async function probeReduction(client: TrainingClient, text: Int32Array): Promise<ProbeResult> {
  const short = sequence(text, LENGTHS.short);
  const long = { ...sequence(text, LENGTHS.long), actionStart: short.actionStart };
  const silent = sequence(text, LENGTHS.silent);
  const [ofShort, ofLong] = await client.forward([scoringDatum(short), scoringDatum(long)]);
  const scored = (all: number[]) => all.slice(short.actionStart - 1, short.actionStart + 1);
  const own = scored(ofShort!);
  const d = (first: number, second: number) => gradientDatum(short, own, [first, second]);
  const longer = gradientDatum(long, scored(ofLong!), [1, 0]);
  const none = gradientDatum(silent, [0, 0], [0, 0]);
  const norm = (calls: Datum[][], lossFn: LossFn = "importance_sampling") =>
    gradientNorm(client, calls, lossFn);

  const first = await norm([[d(1, 0)]]);
  const second = await norm([[d(0, 1)]]);
  if (!(first > 0) || !(second > 0))
    throw undetermined(client, `the gradient norm of a token is ${first}, of another ${second}`);

  const double = await norm([[d(2, 0)]]);
  if (!close(double, 2 * first))
    throw undetermined(client, `twice the advantage gives ${double / first} times the gradient`);
  const sum = await norm([[d(1, 1)]]);
  const difference = await norm([[d(1, -1)]]);
  const counted = Math.sqrt((sum ** 2 + difference ** 2) / (2 * first ** 2 + 2 * second ** 2));
  if (!close(counted, 1))
    throw undetermined(client, `two scored tokens together give ${counted.toFixed(3)} times their gradients`);

  const experiments: { calls: Datum[][]; scale: number }[] = [
    { calls: [[d(1, 0), d(1, 0)]], scale: 2 },
    { calls: [[longer]], scale: 1 },
    { calls: [[d(1, 0), none]], scale: 1 },
    { calls: [[d(1, 0)], [none]], scale: 1 },
  ];
  const measured: number[] = [];
  for (const { calls } of experiments) measured.push((await norm(calls)) / first);
  const fits = REDUCTIONS.filter((reduction) => {
    const base = factorOf(reduction, [[d(1, 0)]]);
    return experiments.every(({ calls, scale }, i) =>
      close(measured[i]!, (scale * factorOf(reduction, calls)) / base),
    );
  });
  if (fits.length !== 1)
    throw undetermined(
      client,
      `relative gradients of the probe's batches are ${measured.map((x) => x.toFixed(3)).join(", ")}, which ${fits.length === 0 ? "no reduction explains" : "several reductions explain"}`,
    );

  const weighted = await norm([[weightedDatum(short, [1, -1])]], "cross_entropy");
  const single = await norm([[weightedDatum(short, [0, 2])]], "cross_entropy");
  return { reduction: fits[0]!, crossEntropy: close(weighted, difference) && close(single, 2 * second) };
}

/** The first `length` + 1 tokens, of which the two after the fifth are scored: a context before, and room behind. */
function sequence(text: Int32Array, length: number): ScoredTokens {
  return { tokens: text.slice(0, length + 1), actionStart: 6 };
}

function factorOf(reduction: Reduction, calls: Datum[][]): number {
  const lengths = calls.map((data) => data.map((datum) => datum.loss_fn_inputs.target_tokens!.data.length));
  return reductionFactors(reduction, lengths)[0]![0]!;
}

async function gradientNorm(client: TrainingClient, calls: Datum[][], lossFn: LossFn): Promise<number> {
  const still = { learning_rate: 0, beta1: 0.9, beta2: 0.95, eps: 1e-12, weight_decay: 0 };
  const { metrics } = await client.step(calls, still, lossFn);
  const norm = reportedNorm(metrics);
  if (norm === undefined)
    throw undetermined(
      client,
      `optim_step reports no gradient norm (${Object.keys(metrics).join(", ") || "no metrics at all"})`,
    );
  return norm;
}

/** The gradient norm among the metrics of a step: "grad_norm", alone or behind a prefix. Undefined when there is none. */
export function reportedNorm(metrics: Record<string, number | null>): number | undefined {
  const entry = Object.entries(metrics).find(([name]) => /(^|[/:.])(grad|gradient)_norm(:\w+)?$/i.test(name));
  return typeof entry?.[1] === "number" ? entry[1] : undefined;
}

function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * Math.abs(b);
}

function undetermined(client: TrainingClient, what: string): SwirlError {
  const { host } = client.session.http;
  return new SwirlError("CONFIG", `trainer ${host}: how it reduces losses could not be found: ${what}`, {
    remedy:
      "without it the size of every update would be unknown. If you know it, give `reduction` (docs/cluster.md); otherwise use another server or version",
    details: { field: "reduction", host },
  });
}
