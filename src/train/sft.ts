/**
 * Supervised fine-tuning on trajectories: maximum likelihood of the logged actions given their states, token by token.
 *
 *   loss = - Σ over actions Σ_t log π(a_t | s, a_<t) / Σ |a|         (REINFORCE with advantage 1, token-mean)
 *
 * Prompts and observations are never scored. The actions of one trajectory share its token tree, so a trajectory of K
 * steps costs its own length, not K prefixes of it. Trajectories may be synthesized ones, or demonstrations
 * (demonstrations.ts): both are the same record, so that SFT and RL see one format.
 *
 * Resumes like `train`: same weights as the uninterrupted run, bit for bit on the CPU in float32.
 */

import { z } from "zod";
import { abortedError, throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { callback, signalSchema } from "../options/instances.js";
import { parseOptions } from "../options/parse-options.js";
import { joinTokens } from "../policy/join-tokens.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { batchesFrom, stepsInEpochs } from "./batches.js";
import { MetricsLog } from "./metrics-log.js";
import {
  adamwOptions,
  checkpointsSchema,
  nativePolicySchema,
  optimizerShape,
  trajectoriesSchema,
} from "./optimizer-options.js";
import { STREAM } from "./rng.js";
import { learningRate } from "./schedules.js";
import { fingerprint, statesOf, type TrainingState } from "./states.js";
import type { UpdateRecord } from "./train-record.js";
import { newProgress, resumeProgress, saveProgress, setupOf } from "./training-progress.js";
import { secondsBetween, tooManySkipped, withSignal } from "./update-parts.js";

export const sftSchema = z.strictObject({
  policy: nativePolicySchema,
  trajectories: trajectoriesSchema,
  /** Trajectories per update. */
  batchSize: z.int().min(1).default(16),
  epochs: z.number().positive().optional(),
  steps: z.int().min(1).optional(),
  ...optimizerShape,
  /** TRL's default for SFT. */
  lr: z.number().positive().default(2e-5),
  checkpoints: checkpointsSchema.optional(),
  metricsFile: z.string().min(1).optional(),
  onStep: callback<UpdateRecord>().optional(),
  onProgress: callback<{
    step: number;
    totalSteps: number;
    phase: "resume" | "update" | "checkpoint";
    done: number;
    total: number;
  }>().optional(),
  onNote: callback<string>().optional(),
  signal: signalSchema.optional(),
});

export type SftOptions = z.input<typeof sftSchema>;

export interface SftResult {
  steps: number;
  resumedFrom: number;
  trajectories: number;
  actions: number;
  skippedUpdates: number;
  tokens: number;
  treeTokens: number;
  last: UpdateRecord | undefined;
}

/** Trains `options.policy` in place. Errors as `train`. */
export async function sft(input: SftOptions): Promise<SftResult> {
  const options = parseOptions(sftSchema, input, "sft");
  const { policy, signal } = options;
  const note = options.onNote ?? (() => {});
  if (options.epochs !== undefined && options.steps !== undefined)
    throw new SwirlError("CONFIG", "sft: epochs and steps are both given", {
      remedy: "give one of them",
      details: { field: "epochs" },
    });

  // --- data ------------------------------------------------------------------------------------------------------
  const trajectories: TrainingState[][] = [];
  for await (const trajectory of options.trajectories as AsyncIterable<Trajectory>) {
    const states = statesOf(trajectory);
    if (states.length > 0) trajectories.push(states);
  }
  if (trajectories.length === 0)
    throw new SwirlError("CONFIG", "sft: there is no trajectory to train on", {
      details: { field: "trajectories" },
    });
  const groups = trajectories.map((_, index) => [index]);
  const order = { batchSize: options.batchSize, seed: options.seed, stream: STREAM.sft };
  const totalSteps = options.steps ?? stepsInEpochs(groups, options.epochs ?? 1, order);

  // --- where an earlier run stopped ------------------------------------------------------------------------------
  const steps = options.schedule === "constant" ? undefined : totalSteps;
  const setup = setupOf(
    { ...options, epochs: undefined, steps, policyId: policy.id },
    fingerprint(trajectories.flat()),
  );
  let progress = newProgress("sft", setup);
  if (options.checkpoints) {
    options.onProgress?.({ step: 0, totalSteps, phase: "resume", done: 0, total: 1 });
    progress = await resumeProgress(policy, progress, options.checkpoints, note);
  }
  const resumedFrom = progress.step;
  const log = options.metricsFile ? await MetricsLog.open(options.metricsFile, resumedFrom) : undefined;
  let savedStep = resumedFrom;
  const save = async () => {
    if (!options.checkpoints || savedStep === progress.step) return;
    options.onProgress?.({ step: progress.step, totalSteps, phase: "checkpoint", done: 0, total: 1 });
    await saveProgress(policy, progress, options.checkpoints);
    savedStep = progress.step;
  };

  let last: UpdateRecord | undefined;
  try {
    for (const batch of batchesFrom(groups, progress.step, order)) {
      if (batch.step >= totalSteps) break;
      throwIfAborted(signal);
      const started = performance.now();
      const sequences = batch.items.flatMap((index) =>
        trajectories[index]!.map(({ state, action }) => ({
          tokens: joinTokens(state, action),
          actionStart: state.length,
          advantage: 1,
        })),
      );
      const lr = learningRate(batch.step, { ...options, totalSteps, floor: options.lrFloor });
      const metrics = await policy.update(sequences, {
        loss: "reinforce",
        aggregation: "token-mean",
        tree: options.tree,
        maxTokensPerMicroBatch: options.maxTokensPerMicroBatch,
        optimizer: { ...adamwOptions(options), lr },
        onProgress: (done, total) =>
          options.onProgress?.({ step: batch.step, totalSteps, phase: "update", done, total }),
        ...withSignal(signal),
      });
      if (metrics.skipped)
        note(`step ${batch.step + 1}: the loss or its gradient is not finite, weights unchanged`);
      progress = {
        ...progress,
        step: batch.step + 1,
        tokens: progress.tokens + metrics.tokens,
        treeTokens: progress.treeTokens + metrics.treeTokens,
        skippedUpdates: progress.skippedUpdates + (metrics.skipped ? 1 : 0),
      };
      const time = secondsBetween(started, performance.now());
      const record: UpdateRecord = {
        step: progress.step,
        epoch: batch.epochAfter,
        loss: metrics.skipped ? null : metrics.loss,
        grad_norm: metrics.skipped ? null : metrics.gradNorm,
        learning_rate: lr,
        entropy: metrics.skipped ? null : metrics.entropy,
        num_tokens: progress.tokens,
        tree_tokens: progress.treeTokens,
        skipped_updates: progress.skippedUpdates,
        "time/update": time,
        "time/step": time,
      };
      await log?.append({ ...record });
      options.onStep?.(record);
      last = record;
      if (progress.skippedUpdates > options.maxSkippedUpdates)
        throw tooManySkipped("sft", progress.skippedUpdates, options.maxSkippedUpdates);
      if (options.checkpoints && progress.step % options.checkpoints.every === 0) await save();
    }
    await save();
  } catch (error) {
    if (signal?.aborted) await save(); // an update is whole or has not happened: what is done is kept
    throw signal?.aborted && !SwirlError.isInstance(error) ? abortedError(signal) : error;
  } finally {
    await log?.close();
  }

  return {
    steps: progress.step,
    resumedFrom,
    trajectories: trajectories.length,
    actions: trajectories.flat().length,
    skippedUpdates: progress.skippedUpdates,
    tokens: progress.tokens,
    treeTokens: progress.treeTokens,
    last,
  };
}
