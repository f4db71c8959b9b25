/**
 * A policy over token ids, without text: it samples, scores and trains on an engine.
 *
 * Calls run one after another in the order they came. `generate` and `logprobs` give the same bits for the same
 * weights, which is what lets a loss function begin without a forward pass (sampled-logprobs.ts).
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { LossFunction } from "../losses/loss-function.js";
import type {
  Call,
  NativeCompletion,
  NativeGenerateOptions,
  NativeGenerateStats,
  NativeLossOptions,
  NativePrompt,
  NativeSequence,
  NativeTrainSequence,
  NativeUpdateMetrics,
} from "../native/addon.js";
import type { EngineView } from "../native/engine-view.js";
import { applyLoss } from "./apply-loss.js";
import type { AdamwOptions } from "./native-options.js";
import { gradientNorms, resolveGroups } from "./parameter-groups.js";
import type { ResolvedLoss } from "./resolve-loss.js";
import { SampledLogprobs } from "./sampled-logprobs.js";
import type { CheckedSequence } from "./sequences.js";
import type { GradientMetrics, StepMetrics, UpdateMetrics } from "./training-metrics.js";

export class TokenEngine {
  /** Over the engine's life: prompt tokens computed, prompt tokens found in the cache, tokens sampled. */
  readonly stats: NativeGenerateStats = { prefillTokens: 0, cachedTokens: 0, decodedTokens: 0 };

  readonly #engine: EngineView;
  readonly #sampled = new SampledLogprobs();
  /** Number of weight changes requested so far. The engine runs calls in the order they are made. */
  #version = 0;
  /** False if the log-probs of a training pass may differ from the sampler's, or were found to differ. */
  #exact: boolean;

  constructor(engine: EngineView) {
    this.#engine = engine;
    this.#exact = engine.exact;
  }

  /** Whether a call that changes weights was made. */
  get changed(): boolean {
    return this.#version > 0;
  }

  /** To be called with every call to the engine that changes weights. */
  weightsChange(): void {
    this.#version++;
  }

  async logprobs(
    sequences: NativeSequence[],
    options: { temperature: number; tree: boolean; maxTokensPerMicroBatch?: number },
    call: Call,
  ): Promise<Float32Array[]> {
    return await this.#engine.logprobs(sequences, options, call);
  }

  async generate(
    prompts: NativePrompt[],
    options: NativeGenerateOptions,
    call: Call,
  ): Promise<NativeCompletion[][]> {
    const version = this.#version;
    const { completions, stats } = await this.#engine.generate(prompts, options, call);
    this.stats.prefillTokens += stats.prefillTokens;
    this.stats.cachedTokens += stats.cachedTokens;
    this.stats.decodedTokens += stats.decodedTokens;
    if (options.topK === 0 && options.topP === 1) {
      // Greedy sampling reports the log-probs at temperature 1.
      const temperature = options.temperature === 0 ? 1 : options.temperature;
      for (const [i, group] of completions.entries()) {
        for (const completion of group)
          this.#sampled.remember(completion, prompts[i]!.tokens, version, temperature);
      }
    }
    return completions;
  }

  async forwardBackward(batch: CheckedSequence[], loss: ResolvedLoss, call: Call): Promise<GradientMetrics> {
    const { metrics, extraForwards } = await this.#withLoss(batch, loss, call, (sequences, native) =>
      this.#engine.forwardBackward(sequences, native, call),
    );
    return { ...metrics, extraForwards };
  }

  async optimStep(options: AdamwOptions, call: Call, at = ""): Promise<StepMetrics> {
    const { native, names } = resolveGroups(options, this.#engine.parameters(), at);
    this.weightsChange();
    const { groupGradNorms, ...metrics } = await this.#engine.optimStep(native, call);
    return { ...metrics, gradNorms: gradientNorms(names, groupGradNorms) };
  }

  async update(
    batch: CheckedSequence[],
    loss: ResolvedLoss,
    optimizer: AdamwOptions,
    call: Call,
  ): Promise<UpdateMetrics> {
    const { native: adamw, names } = resolveGroups(optimizer, this.#engine.parameters(), "optimizer");
    const { metrics, extraForwards } = await this.#withLoss(batch, loss, call, (sequences, native) => {
      this.weightsChange();
      return this.#engine.update(sequences, native, adamw, call);
    });
    const { groupGradNorms, ...rest } = metrics as NativeUpdateMetrics;
    return { ...rest, extraForwards, gradNorms: gradientNorms(names, groupGradNorms) };
  }

  /**
   * Calls `run` with the batch as the engine takes it, in the same turn of the event loop in which the log-probs were
   * found to be those of the current weights, so that no other call can come in between.
   */
  async #withLoss<Metrics>(
    batch: CheckedSequence[],
    { function: loss, native }: ResolvedLoss,
    call: Call,
    run: (batch: NativeTrainSequence[], loss: NativeLossOptions) => Promise<Metrics>,
  ): Promise<{ metrics: Metrics; extraForwards: number }> {
    const sequences = batch.map(({ samplerLogprobs: _, behaviorSource: __, ...sequence }) => sequence);
    if (loss === undefined) return { metrics: await run(sequences, native), extraForwards: 0 };
    for (;;) {
      const version = this.#version;
      const current = batch.map((sequence) =>
        this.#exact ? this.#sampled.current(sequence, version, native.temperature) : undefined,
      );
      const unknown = batch.filter((_, i) => current[i] === undefined);
      const found =
        unknown.length === 0
          ? []
          : await this.#engine.logprobs(
              unknown.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
              native,
              call.signal ? { signal: call.signal } : {},
            );
      if (version !== this.#version) continue; // the weights changed meanwhile
      let next = 0;
      const logprobs = current.map((known) => known ?? found[next++]!);
      const terms = applyLoss(loss, batch, logprobs);
      if (version !== this.#version) throw changedWeights(loss);
      const derived = sequences.map((sequence, i) => ({
        ...sequence,
        ...terms[i]!,
        ...(current[i] === undefined ? {} : { expectedLogprobs: current[i] }),
      }));
      try {
        const metrics = await run(derived, native);
        return { metrics, extraForwards: unknown.length === 0 ? 0 : 1 };
      } catch (error) {
        // This device samples and trains with different bits: from now on every loss function costs a forward pass.
        if (!this.#exact || !isMismatch(error)) throw error;
        this.#exact = false;
      }
    }
  }
}

function changedWeights(loss: LossFunction): SwirlError {
  return new SwirlError("INPUT", `the loss function ${loss.name || "(anonymous)"} changed the weights`, {
    remedy: "a loss is a pure function of its argument: call no method of the policy in it",
    details: { field: "loss" },
  });
}

function isMismatch(error: unknown): boolean {
  return (
    SwirlError.isInstance(error) &&
    error.code === "NUMERICS" &&
    /\.expectedLogprobs\[/.test(String(error.details.field))
  );
}
