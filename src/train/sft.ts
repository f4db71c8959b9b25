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
import { SwirlError } from "../errors/swirl-error.js";
import { defaultsOf } from "../options/defaults-of.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { updatePolicy } from "../policy/ask-policy.js";
import { joinTokens } from "../policy/join-tokens.js";
import type { NativePolicy } from "../policy/native-policy.js";
import { type TrainerPolicy, trainerPolicySchema } from "../policy/trainer-policy.js";
import { STREAM } from "../random/counter-random.js";
import { trackersSchema, trackingSchema } from "../trackers/tracker.js";
import { requireTrajectory, type Trajectory } from "../trajectory/trajectory.js";
import { stepsInEpochs } from "./batches.js";
import {
  adamwOptions,
  checkpointsSchema,
  type OptimizerRunOptions,
  optimizerShape,
  trajectoriesSchema,
} from "./optimizer-options.js";
import { learningRate } from "./schedules.js";
import { fingerprint, statesOf, type TrainingState } from "./states.js";
import type { UpdateRecord } from "./train-record.js";
import { setupOf } from "./training-progress.js";
import { TrainingRun } from "./training-run.js";
import { secondsBetween, withSignal } from "./update-parts.js";

export const sftSchema = z.strictObject({
  policy: trainerPolicySchema,
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
  trackers: trackersSchema.optional(),
  tracking: trackingSchema.optional(),
  onStep: callback<UpdateRecord>("onStep").optional(),
  onProgress: callback<SftProgress>("onProgress").optional(),
  onNote: callback<string>("onNote").optional(),
  signal: signalSchema.optional(),
});

/** Progress of an `sft` run. */
export interface SftProgress {
  /** Updates done. */
  step: number;
  /** Updates in all. */
  totalSteps: number;
  /** What is being done. */
  phase: "resume" | "update" | "checkpoint";
  /** Parts of the phase that are done. */
  done: number;
  /** Parts of the phase in all. */
  total: number;
}

/** Options of `sft`. Unknown keys are CONFIG errors. */
export interface SftOptions<Trained extends TrainerPolicy = NativePolicy> extends OptimizerRunOptions {
  /** The policy that is trained: native, or on a trainer. */
  policy: Trained;
  /** Trajectories whose actions are imitated: synthesized ones or demonstrations. */
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>;
  /** Trajectories per update. @default 16 */
  batchSize?: number | undefined;
  /** Passes over the trajectories; 1 unless `steps` is given. */
  epochs?: number | undefined;
  /** Updates in all. Instead of `epochs`. */
  steps?: number | undefined;
  /** Learning rate after the warm-up; TRL's default for SFT. @default 0.00002 */
  lr?: number | undefined;
  /** Receives each update's record. */
  onStep?: ((record: UpdateRecord) => void) | undefined;
  /** Receives progress within an update. */
  onProgress?: ((progress: SftProgress) => void) | undefined;
}

/** What a run of `sft` did, over all its sessions. */
export interface SftResult {
  /** Updates done. */
  steps: number;
  /** Updates that were done before this call; 0 for a new run. */
  resumedFrom: number;
  /** Trajectories that were trained on. */
  trajectories: number;
  /** Actions in them. */
  actions: number;
  /** Updates skipped because something was not finite. */
  skippedUpdates: number;
  /** Sum of sequence lengths. */
  tokens: number;
  /** Rows computed for them. */
  treeTokens: number;
  /** The last update's record; undefined where there was none. */
  last: UpdateRecord | undefined;
}

/** @throws SwirlError CONFIG for options that contradict each other. */
export function checkSftOptions(options: { epochs?: number | undefined; steps?: number | undefined }): void {
  if (options.epochs !== undefined && options.steps !== undefined)
    throw new SwirlError("CONFIG", "sft: epochs and steps are both given", {
      remedy: "give one of them",
      details: { field: "epochs" },
    });
}

/** Trains `options.policy` in place. Throws what `train` throws. */
export async function sft<Trained extends TrainerPolicy = NativePolicy>(
  input: SftOptions<Trained>,
): Promise<SftResult> {
  const options = parseOptions(sftSchema, input, "sft");
  const { policy, signal } = options;
  const note = options.onNote ?? (() => {});
  checkSftOptions(options);
  policy.checkTraining?.({
    temperature: 1,
    maxGradNorm: options.maxGradNorm,
    beta2: options.beta2,
    entropyWeight: 0,
  });

  // --- data ------------------------------------------------------------------------------------------------------
  const trajectories: TrainingState[][] = [];
  for await (const trajectory of options.trajectories as AsyncIterable<Trajectory>) {
    const states = statesOf(requireTrajectory(trajectory, "sft"));
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
  const run = await TrainingRun.open<UpdateRecord>("sft", {
    ...options,
    setup,
    defaults: defaultsOf(sftSchema),
    totalSteps,
    note,
  });
  try {
    for (const batch of run.batches(groups, order)) {
      const started = performance.now();
      const sequences = batch.items.flatMap((index) =>
        trajectories[index]!.map(({ state, action }) => ({
          tokens: joinTokens(state, action),
          actionStart: state.length,
          advantage: 1,
        })),
      );
      const lr = learningRate(batch.step, { ...options, totalSteps, floor: options.lrFloor });
      const metrics = await updatePolicy(policy, () =>
        policy.update(sequences, {
          loss: "reinforce",
          aggregation: "token-mean",
          tree: options.tree,
          maxTokensPerMicroBatch: options.maxTokensPerMicroBatch,
          optimizer: { ...adamwOptions(options), lr },
          onProgress: (done, total) =>
            options.onProgress?.({ step: batch.step, totalSteps, phase: "update", done, total }),
          ...withSignal(signal),
        }),
      );
      if (metrics.skipped) note(`step ${batch.step + 1}: ${metrics.skipReason}; weights unchanged`);
      const step = batch.step + 1;
      const tokens = run.progress.tokens + metrics.tokens;
      const treeTokens = run.progress.treeTokens + metrics.treeTokens;
      const skippedUpdates = run.progress.skippedUpdates + (metrics.skipped ? 1 : 0);
      run.advance({ step, tokens, treeTokens, skippedUpdates });
      const time = secondsBetween(started, performance.now());
      await run.record({
        step,
        epoch: batch.epochAfter,
        loss: metrics.skipped ? null : metrics.loss,
        grad_norm: metrics.skipped ? null : (metrics.gradNorm ?? null),
        learning_rate: lr,
        entropy: metrics.skipped ? null : (metrics.entropy ?? null),
        num_tokens: tokens,
        tree_tokens: treeTokens,
        skipped_updates: skippedUpdates,
        "time/update": time,
        "time/step": time,
      });
    }
    await run.save();
  } catch (error) {
    throw await run.stopped(error);
  } finally {
    await run.close();
  }

  const { step, skippedUpdates, tokens, treeTokens } = run.progress;
  return {
    steps: step,
    resumedFrom: run.resumedFrom,
    trajectories: trajectories.length,
    actions: trajectories.flat().length,
    skippedUpdates,
    tokens,
    treeTokens,
    last: run.last,
  };
}
