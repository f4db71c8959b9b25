/**
 * Gradients and optimizer steps of a TinkerPolicy, without its locks: batches in, derivatives to the server.
 *
 *   forward → log π → derivative d L / d log π here → importance_sampling with logprobs = log π and
 *   advantages = -derivative / c, c the server's reduction factor → optim_step
 *
 * A loss whose derivative needs no log-probs (REINFORCE, SFT) goes as cross_entropy with weights = -derivative / c where the
 * probe found that the server's cross_entropy is the same sum: one pass instead of two.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { NativeSequence } from "../native/addon.js";
import { gradientDatum, requestsOf, scoringDatum, weightedDatum } from "../tinker/datum.js";
import type { AdamParams, Datum } from "../tinker/messages.js";
import { reductionFactors } from "../tinker/reduction.js";
import { reportedNorm } from "../tinker/reduction-probe.js";
import type { LossFn } from "../tinker/training-client.js";
import { type LossDerivative, lossDerivative } from "./loss-derivative.js";
import type { AdamwOptions } from "./native-options.js";
import type { ResolvedLoss } from "./resolve-loss.js";
import type { CheckedSequence } from "./sequences.js";
import type { OpenedTrainer } from "./tinker-open.js";
import type { TrainerMetrics } from "./trainer-policy.js";

/** Nats, on average, by which the pass with the gradient may differ from the one before it. */
const MOST_RATIO_ERROR = 0.25;

/** Absolute differences of log-probs that should be equal, in nats. */
export interface Differences {
  /** Tokens that were compared. */
  tokens: number;
  /** Over these tokens. */
  mean: number;
  /** The largest. */
  max: number;
}

/** What is known of log-probs that a sample came with. */
interface SampledFrom {
  version: number;
  /** [tokens] As the sampler reported them. */
  values: Float32Array;
  /** [tokens] The trainer's, of the same weights. */
  old: Float32Array | undefined;
}

interface Differentiated {
  sequences: CheckedSequence[];
  /** [sequences][scored tokens] Where the derivative was taken; empty for cross_entropy. */
  logprobs: Float32Array[];
  derivatives: Float64Array[];
  /** Why no step can be taken with it: something is not finite. */
  skipReason?: string;
}

export class TinkerUpdates {
  /** Changes of the weights so far. */
  version = 0;
  mismatch: Differences = { tokens: 0, mean: 0, max: 0 };
  ratio: Differences = { tokens: 0, mean: 0, max: 0 };
  readonly #trainer: OpenedTrainer;
  readonly #sampled = new WeakMap<object, SampledFrom>();
  #pending: Differentiated[] = [];

  constructor(trainer: OpenedTrainer) {
    this.#trainer = trainer;
  }

  /** `logprobs` are those of the present weights, as the sampler sees them. */
  remember(logprobs: Float32Array): void {
    this.#sampled.set(logprobs, { version: this.version, values: logprobs.slice(), old: undefined });
  }

  weightsChanged(): void {
    this.version++;
    this.#pending = [];
  }

  clear(): void {
    this.#pending = [];
  }

  async forward(sequences: readonly NativeSequence[], signal: AbortSignal): Promise<Float32Array[]> {
    const all = await this.#trainer.client.forward(sequences.map(scoringDatum), { signal });
    return all.map((logprobs, i) => Float32Array.from(logprobs.slice(sequences[i]!.actionStart - 1)));
  }

  /** Adds to the gradients of the next step. */
  async differentiate(
    sequences: CheckedSequence[],
    loss: ResolvedLoss,
    signal: AbortSignal,
  ): Promise<TrainerMetrics> {
    const logprobs = await this.forward(sequences, signal);
    this.#compare(sequences, logprobs);
    const olds = sequences.map((sequence, i) => this.#withOld(sequence, logprobs[i]!));
    const derivative = lossDerivative(olds, loss, logprobs);
    const skipReason = notFinite(derivative, logprobs);
    const part = { sequences, logprobs, derivatives: derivative.derivatives };
    this.#pending.push(skipReason === undefined ? part : { ...part, skipReason });
    return metricsOf(sequences, derivative, skipReason);
  }

  async step(optimizer: AdamwOptions): Promise<TrainerMetrics> {
    const parts = this.#pending;
    if (parts.length === 0)
      throw new SwirlError("INPUT", "optimStep: there are no gradients", {
        remedy: "call forwardBackward first",
        details: { field: "gradients" },
      });
    this.#pending = [];
    const skipReason = parts.find((part) => part.skipReason !== undefined)?.skipReason;
    const empty = { loss: 0, kl: 0, clipRatio: 0, tokens: 0, treeTokens: 0 };
    if (skipReason !== undefined) return { ...empty, skipped: true, skipReason };
    return { ...empty, ...(await this.#apply(joined(parts), optimizer, "importance_sampling")).metrics };
  }

  /** `onGradient` is called when log-probs and derivatives are known, before the first request that changes anything. */
  async update(
    sequences: CheckedSequence[],
    loss: ResolvedLoss,
    optimizer: AdamwOptions,
    signal: AbortSignal,
    onGradient: () => void,
  ): Promise<TrainerMetrics> {
    this.#pending = [];
    if (this.#trainer.facts.crossEntropy && needsNoLogprobs(loss)) {
      const blank = sequences.map(({ tokens, actionStart }) => new Float32Array(tokens.length - actionStart));
      const { derivatives } = lossDerivative(sequences, loss, blank);
      onGradient();
      const { metrics, logprobs } = await this.#apply(
        { sequences, logprobs: [], derivatives },
        optimizer,
        "cross_entropy",
      );
      return { ...metricsOf(sequences, lossDerivative(sequences, loss, logprobs)), ...metrics };
    }
    const before = await this.differentiate(sequences, loss, signal);
    if (before.skipped) {
      this.#pending = [];
      return before;
    }
    onGradient();
    return { ...before, ...(await this.#applyPending(optimizer)) };
  }

  async #applyPending(optimizer: AdamwOptions) {
    const part = joined(this.#pending);
    this.#pending = [];
    return (await this.#apply(part, optimizer, "importance_sampling")).metrics;
  }

  async #apply(part: Differentiated, optimizer: AdamwOptions, lossFn: LossFn) {
    const { client, facts } = this.#trainer;
    // Sequences without a gradient are not computed. One stays where all are without: a step of Adam has its momentum.
    const moving = part.derivatives.flatMap((derivative, i) => (derivative.some((x) => x !== 0) ? [i] : []));
    const kept = moving.length > 0 ? moving : [0];
    const data = kept.map((i) => {
      const [sequence, slope] = [part.sequences[i]!, part.derivatives[i]!.map((x) => 0 - x)];
      return lossFn === "cross_entropy"
        ? weightedDatum(sequence, slope)
        : gradientDatum(sequence, part.logprobs[i]!, slope);
    });
    const calls = requestsOf(data);
    const factors = reductionFactors(
      facts.reduction,
      calls.map((call) => call.map(elements)),
    );
    for (const [i, call] of calls.entries())
      for (const [j, datum] of call.entries()) scale(datum, lossFn, 1 / factors[i]![j]!);
    const { logprobs, metrics } = await client.step(
      calls,
      adamParams(optimizer, facts.clipsGradients),
      lossFn,
    );
    this.version++;
    const after: Float32Array[] = part.sequences.map(
      ({ tokens, actionStart }) => new Float32Array(tokens.length - actionStart),
    );
    for (const [k, i] of kept.entries())
      after[i] = Float32Array.from(logprobs[k]!.slice(part.sequences[i]!.actionStart - 1));
    if (lossFn === "importance_sampling") this.#checkRatio(part, kept, after);
    const gradNorm = reportedNorm(metrics);
    if (gradNorm !== undefined && !Number.isFinite(gradNorm))
      throw client.fail(
        new SwirlError("NUMERICS", `trainer ${client.session.http.host}: the gradient norm is ${gradNorm}`),
      );
    return {
      logprobs: after,
      metrics: { skipped: false, ...(gradNorm === undefined ? {} : { gradNorm }) },
    };
  }

  /** The gradient is right where its pass saw the log-probs that the derivative was taken at. */
  #checkRatio(part: Differentiated, kept: readonly number[], after: readonly Float32Array[]): void {
    const { client } = this.#trainer;
    const differences = kept.flatMap((i) =>
      [...after[i]!].flatMap((x, t) =>
        part.derivatives[i]![t] === 0 ? [] : [Math.abs(x - part.logprobs[i]![t]!)],
      ),
    );
    this.ratio = summary(differences);
    if (this.ratio.mean <= MOST_RATIO_ERROR) return;
    throw client.fail(
      new SwirlError(
        "ENDPOINT",
        `trainer ${client.session.http.host}: log-probs of forward_backward differ from those of forward by ${this.ratio.mean.toFixed(2)} nats on average`,
      ),
    );
  }

  /**
   * Of samples of this policy, the old log-probs are the trainer's at the weights that sampled, as long as the first update on
   * them was at those weights: against the sampler's own, whose rounding is another, ratios are clipped that should be 1.
   */
  #withOld(sequence: CheckedSequence, current: Float32Array): CheckedSequence {
    const { behaviorSource, behaviorLogprobs } = sequence;
    const known = typeof behaviorSource === "object" ? this.#sampled.get(behaviorSource) : undefined;
    const same =
      known?.values.length === behaviorLogprobs?.length &&
      known?.values.every((x, t) => x === behaviorLogprobs![t]);
    if (!known || !same) return sequence; // changed by the caller
    if (known.version === this.version) known.old ??= current;
    return known.old ? { ...sequence, behaviorLogprobs: known.old } : sequence;
  }

  /** Before anything is sent: samples whose log-probs the trainer does not share teach something else than they should. */
  #compare(sequences: readonly CheckedSequence[], logprobs: readonly Float32Array[]): void {
    const differences = sequences.flatMap(({ behaviorSource, behaviorLogprobs, weights }, i) =>
      typeof behaviorSource === "object" && this.#sampled.get(behaviorSource)?.version === this.version
        ? [...behaviorLogprobs!].flatMap((x, t) =>
            weights?.[t] === 0 ? [] : [Math.abs(x - logprobs[i]![t]!)],
          )
        : [],
    );
    if (differences.length === 0) return;
    this.mismatch = summary(differences);
    const { maxMismatch, client } = this.#trainer;
    if (this.mismatch.mean <= maxMismatch) return;
    throw new SwirlError(
      "ENDPOINT",
      `trainer ${client.session.http.host}: its sampler's log-probs differ from its trainer's by ${this.mismatch.mean.toFixed(2)} nats on average, for the same weights`,
      {
        remedy:
          "nothing was trained. The sampler may not have loaded the adapter, or is quantized; raise maxMismatch only if you know why they differ",
        details: { host: client.session.http.host, field: "maxMismatch", trainer: true },
      },
    );
  }
}

function needsNoLogprobs({ function: custom, native }: ResolvedLoss): boolean {
  return custom === undefined && native.loss === "reinforce" && native.klWeight === 0;
}

function joined(parts: readonly Differentiated[]): Differentiated {
  return {
    sequences: parts.flatMap(({ sequences }) => sequences),
    logprobs: parts.flatMap(({ logprobs }) => logprobs),
    derivatives: parts.flatMap(({ derivatives }) => derivatives),
  };
}

function elements(datum: Datum): number {
  return datum.loss_fn_inputs.target_tokens!.data.length;
}

function scale(datum: Datum, lossFn: LossFn, by: number): void {
  const { data } = datum.loss_fn_inputs[lossFn === "cross_entropy" ? "weights" : "advantages"]!;
  for (let t = 0; t < data.length; t++) if (data[t] !== 0) data[t] = data[t]! * by;
}

function metricsOf(
  sequences: readonly CheckedSequence[],
  { loss, kl, clipRatio }: LossDerivative,
  skipReason?: string,
): TrainerMetrics {
  const tokens = sequences.reduce((sum, sequence) => sum + sequence.tokens.length, 0);
  const skipped = skipReason === undefined ? { skipped: false } : { skipped: true, skipReason };
  return { loss, kl, clipRatio, tokens, treeTokens: tokens, ...skipped };
}

function notFinite(
  { loss, derivatives }: LossDerivative,
  logprobs: readonly Float32Array[],
): string | undefined {
  if (!logprobs.every((own) => own.every(Number.isFinite))) return "a log-prob is not finite";
  if (!Number.isFinite(loss)) return `the loss is ${loss}`;
  return derivatives.every((own) => own.every(Number.isFinite))
    ? undefined
    : "a derivative of the loss is not finite";
}

function summary(values: readonly number[]): Differences {
  let [sum, max] = [0, 0];
  for (const value of values) {
    sum += value;
    max = Math.max(max, value);
  }
  return { tokens: values.length, mean: values.length === 0 ? 0 : sum / values.length, max };
}

function adamParams(optimizer: AdamwOptions, clips: boolean): AdamParams {
  const { lr, beta1, beta2, eps, weightDecay, maxGradNorm } = optimizer;
  return {
    learning_rate: lr,
    beta1,
    beta2,
    eps,
    weight_decay: weightDecay,
    ...(clips ? { grad_clip_norm: maxGradNorm } : {}),
  };
}

/** Throws CONFIG for what derivatives by log-probs cannot express. */
export function requirePlainLoss(
  what: string,
  { temperature, entropyWeight }: { temperature: number; entropyWeight: number },
): void {
  if (temperature !== 1)
    throw refusal(what, "temperature", temperature, "1: the server's log-probs are those of temperature 1");
  if (entropyWeight !== 0)
    throw refusal(
      what,
      "entropyWeight",
      entropyWeight,
      "0: an entropy bonus needs the gradient of whole distributions, which the Tinker API does not take",
    );
}

/** Throws CONFIG for options of AdamW that the server would ignore. */
export function requireOptimizer(
  what: string,
  optimizer: AdamwOptions,
  { facts: { clipsGradients }, largestBeta2 }: Pick<OpenedTrainer, "facts" | "largestBeta2">,
): void {
  const { decay, freeze, groups, maxGradNorm, beta2 } = optimizer;
  if (decay !== "all") throw refusal(what, "decay", decay, '"all"');
  if (freeze.length > 0)
    throw refusal(what, "freeze", freeze, "left out: a trainer trains the whole adapter");
  if (groups.length > 0)
    throw refusal(what, "groups", groups, "left out: a trainer trains the whole adapter");
  if (beta2 > largestBeta2)
    throw refusal(
      what,
      "beta2",
      beta2,
      `${largestBeta2} or less: servers that keep Adam's constants in bfloat16 read 0.999 as 1, and the step writes NaN into every adapter; largestBeta2 allows more`,
    );
  if (maxGradNorm > 0 && !clipsGradients)
    throw refusal(what, "maxGradNorm", maxGradNorm, "0: this server does not clip gradients");
}

function refusal(what: string, field: string, value: unknown, expected: string): SwirlError {
  return new SwirlError(
    "CONFIG",
    `${what}: ${field} is ${JSON.stringify(value)}; with a trainer it must be ${expected}`,
    {
      remedy: `set ${field} to ${expected.split(/:| or less/)[0]}`,
      details: { field },
    },
  );
}

/** Throws INPUT for sequences that the server could not take. */
export function requireFits(sequences: readonly NativeSequence[], contextLength: number, what: string): void {
  for (const [i, { tokens, actionStart }] of sequences.entries()) {
    const at = `${what}[${i}]`;
    if (tokens.length > contextLength)
      throw new SwirlError(
        "INPUT",
        `${at}.tokens has ${tokens.length} tokens; the context has ${contextLength}`,
        {
          remedy: "shorten the sequence",
          details: { field: `${at}.tokens` },
        },
      );
    if (actionStart < 1 || actionStart >= tokens.length)
      throw new SwirlError(
        "INPUT",
        `${at}.actionStart is ${actionStart}; it must be 1 … ${tokens.length - 1}`,
        {
          remedy: "it is the index of the action's first token",
          details: { field: `${at}.actionStart` },
        },
      );
  }
}
