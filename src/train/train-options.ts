/**
 * Options of `train`. What the paper leaves open is decided here; every default says why.
 *
 * `tree` and the micro-batch change float32 sums in their last bits: the same options give the same bits.
 */
import { z } from "zod";
import { type Judge, judgeSchema } from "../judge/judge.js";
import type { Aggregation } from "../losses/aggregation.js";
import type { CorrectionOptions } from "../losses/importance-correction.js";
import type { KlEstimator } from "../losses/kl.js";
import type { LossFunction } from "../losses/loss-function.js";
import type { LossName, LossParameters } from "../losses/named-losses.js";
import { softmaxTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import type { NativePolicy } from "../policy/native-policy.js";
import {
  type SequenceScorer,
  scorerSchema,
  type TrainerPolicy,
  trainerPolicySchema,
} from "../policy/trainer-policy.js";
import { trackersSchema, trackingSchema } from "../trackers/tracker.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { type Baseline, comparesActions } from "./advantages.js";
import { lossShape, refuse, resolveLoss } from "./loss-options.js";
import {
  checkpointsSchema,
  type OptimizerRunOptions,
  optimizerShape,
  trajectoriesSchema,
} from "./optimizer-options.js";
import { type OverlongOptions, overlongSchema } from "./overlong.js";
import type { Reward } from "./reward.js";
import { REWARD_MAPS, type RewardMap } from "./reward-map.js";
import {
  type RewardPart,
  type RewardPartOptions,
  resolveParts,
  rewardPartSchema,
  rewardSchema,
} from "./reward-parts.js";
import type { REWARD_SCALES } from "./scale-rewards.js";
import type { TrainRecord } from "./train-record.js";
import type { Validate } from "./validation.js";

export const trainSchema = z.strictObject({
  policy: trainerPolicySchema,
  trajectories: trajectoriesSchema,
  /** Scores fresh actions (and logged ones under actions: "logged"). Wrap it in journaledJudge to keep its verdicts. */
  judge: judgeSchema.optional(),
  /** Instead of the judge: scores fresh actions, given the whole state. outcomeReward is the built-in one. */
  reward: rewardSchema.optional(),
  /** Instead of either: several, summed with weights, each logged as rewards/NAME/mean and /std. */
  rewards: z.array(rewardPartSchema).min(1).max(64).optional(),
  /**
   * The initial policy, frozen: needed for klWeight > 0; without a weight it only measures. The base of a policy with a
   * new adapter.
   */
  reference: scorerSchema.optional(),
  /** "fresh": sampled now from the policy, judged, never executed (SWiRL). "logged": the recorded ones, reweighted. */
  actions: z.enum(["fresh", "logged"]).default("fresh"),
  /** G: fresh actions per state. 4 makes a leave-one-out baseline worth having. */
  samplesPerState: z.int().min(1).max(1024).optional(),
  /** States per update. */
  batchSize: z.int().min(1).default(32),
  /** What a batch never splits: it shares a prefix, which is then computed once. */
  group: z.enum(["trajectory", "question", "state"]).default("trajectory"),
  /** Passes over all states, 1 where `steps` is not given either. */
  epochs: z.number().positive().optional(),
  steps: z.int().min(1).optional(),
  /** Sampling and loss use the same temperature: log-probs are those of the distribution sampled from. */
  temperature: softmaxTemperature.max(10).default(1),
  maxNewTokens: z.int().min(1).default(256),
  /** How a verdict becomes a reward. "binary" and "signed" take GOOD or BAD from it, "score" the judge's own number. */
  rewardMap: z.enum(REWARD_MAPS).default("binary"),
  ...lossShape,
  /** Optimizer steps on the same judged actions. */
  updatesPerBatch: z.int().min(1).default(1),
  /**
   * DAPO's dynamic sampling: how often a state whose actions all got the same reward is drawn again. One that still
   * has the same reward for all is left out of the update.
   */
  dynamicSampling: z.int().min(1).max(100).optional(),
  /** Reduces the reward of actions that come near maxNewTokens. */
  overlong: overlongSchema.optional(),
  /** Leaves actions that maxNewTokens truncated out of the loss; their rewards still count in the baseline. false. */
  maskTruncated: z.boolean().optional(),
  /** Maximum concurrent judgments. */
  judgeConcurrency: z.int().min(1).default(16),
  ...optimizerShape,
  checkpoints: checkpointsSchema.optional(),
  metricsFile: z.string().min(1).optional(),
  trackers: trackersSchema.optional(),
  tracking: trackingSchema.optional(),
  actionsFile: z.string().min(1).optional(),
  /**
   * Called after every `every` updates; its numbers join the step's record under `validation/…`. A value that is not a
   * finite number ends the run with a CONFIG error.
   */
  validate: z
    .strictObject({
      every: z.int().min(1),
      run: z.custom<Validate<TrainerPolicy>>((value) => typeof value === "function", {
        message: "must be a function",
      }),
    })
    .optional(),
  onStep: callback<TrainRecord>("onStep").optional(),
  onProgress: callback<TrainProgress>("onProgress").optional(),
  /** Receives notes that need no action: a checkpoint that was skipped, a skipped update. */
  onNote: callback<string>("onNote").optional(),
  signal: signalSchema.optional(),
});

/** resume: looking for a checkpoint and verifying it. */
export type TrainPhase = "resume" | "sample" | "judge" | "reference" | "update" | "checkpoint";

/** Progress of a training run. */
export interface TrainProgress {
  /** Updates done. */
  step: number;
  /** Updates in all. */
  totalSteps: number;
  /** What is being done. */
  phase: TrainPhase;
  /** Parts of the phase that are done: states, actions or rows. */
  done: number;
  /** Parts of the phase in all. */
  total: number;
}

/** A validation during training. */
export interface ValidateOptions<Trained extends TrainerPolicy = NativePolicy> {
  /** Updates between two validations. */
  every: number;
  /** Its numbers join the step's record as `validation/NAME`. One that is not finite ends the run with code CONFIG. */
  run: Validate<Trained>;
}

/** Options of `train`. Unknown keys and combinations that would do nothing are CONFIG errors. */
export interface TrainOptions<Trained extends TrainerPolicy = NativePolicy>
  extends OptimizerRunOptions,
    LossParameters {
  /** The policy that is trained: native, or on a trainer. */
  policy: Trained;
  /** Trajectories whose states are trained on, usually those that a filter kept. */
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>;
  /** Scores the actions. Wrap it in `journaledJudge` to keep its verdicts. */
  judge?: Judge | undefined;
  /** Instead of `judge`: scores fresh actions, given the whole state, as `outcomeReward` does. */
  reward?: Reward | undefined;
  /** Instead of either: 1 … 64 rewards, summed with their weights and logged as rewards/NAME/mean and /std. */
  rewards?: RewardPartOptions[] | undefined;
  /** Frozen policy that the KL term is measured against. Needed for klWeight > 0; with weight 0 it only measures. */
  reference?: SequenceScorer | undefined;
  /**
   * "fresh": sampled from the current policy, judged, never executed (SWiRL). "logged": the recorded actions,
   * reweighted.
   * @default "fresh"
   */
  actions?: "fresh" | "logged" | undefined;
  /** Fresh actions per state (G), 1 … 1,024; 4 unless given, 1 for logged actions. */
  samplesPerState?: number | undefined;
  /** States per update. @default 32 */
  batchSize?: number | undefined;
  /** What a batch never splits, because it shares a prefix. @default "trajectory" */
  group?: "trajectory" | "question" | "state" | undefined;
  /** Learning rate after the warm-up; TRL's default for RL. @default 0.000001 */
  lr?: number | undefined;
  /** Passes over all states; 3 for fresh actions and 1 for logged ones unless `steps` is given. */
  epochs?: number | undefined;
  /** Updates in all. Instead of `epochs`. */
  steps?: number | undefined;
  /** Temperature of both sampling and loss, above 0 and at most 10. @default 1 */
  temperature?: number | undefined;
  /** Token limit of a fresh action. @default 256 */
  maxNewTokens?: number | undefined;
  /**
   * How a verdict becomes a reward: "binary" 0 or 1, "signed" -1 or 1, "score" the judge's own number. @default
   * "binary"
   */
  rewardMap?: RewardMap | undefined;
  /** A loss by name (docs/losses.md), or a function of one sequence's log-probs. @default "reinforce" */
  loss?: LossName | LossFunction | undefined;
  /** How token losses become one number; the loss's own unless given ("sequence-sum" for "reinforce"). */
  aggregation?: Aggregation | undefined;
  /** Tokens that aggregation "fixed-length" divides by; maxNewTokens unless given. */
  fixedLength?: number | undefined;
  /** Importance correction for logged actions, which other weights sampled. */
  correction?: CorrectionOptions | undefined;
  /** What rewards are compared with: "leave-one-out" for fresh actions and "running" for logged ones unless given. */
  baseline?: Baseline | undefined;
  /** Decay of the running baseline per update, 0 … below 1. @default 0.9 */
  baselineDecay?: number | undefined;
  /** What advantages are divided by; the loss's own unless given, else nothing. */
  scaleRewards?: (typeof REWARD_SCALES)[number] | undefined;
  /** Weight of the KL term; 0.05 where a reference is given. */
  klWeight?: number | undefined;
  /** Estimator of the KL divergence. @default "k3" */
  klEstimator?: KlEstimator | undefined;
  /** "reward" takes the KL estimate from each action's reward, before the baseline; "loss" unless given. */
  klIn?: "loss" | "reward" | undefined;
  /** Weight of an entropy bonus in the loss; 0 unless given. */
  entropyWeight?: number | undefined;
  /** Optimizer steps on the same judged actions. @default 1 */
  updatesPerBatch?: number | undefined;
  /**
   * DAPO's dynamic sampling, 1 … 100: how often a state whose actions all got the same reward is drawn again. A state
   * that still has the same reward for all is left out of the update.
   */
  dynamicSampling?: number | undefined;
  /** Reduces the reward of actions that come near maxNewTokens. */
  overlong?: OverlongOptions | undefined;
  /** Leaves actions that maxNewTokens truncated out of the loss. Their rewards still count in the baseline. */
  maskTruncated?: boolean | undefined;
  /** Maximum concurrent judgments. @default 16 */
  judgeConcurrency?: number | undefined;
  /** JSONL file for some of the fresh actions of each update, with their rewards and advantages. */
  actionsFile?: string | undefined;
  /** Validation during training. */
  validate?: ValidateOptions<Trained> | undefined;
  /** Receives each update's record. */
  onStep?: ((record: TrainRecord) => void) | undefined;
  /** Receives progress within an update. */
  onProgress?: ((progress: TrainProgress) => void) | undefined;
}

export type ResolvedTrainOptions = ReturnType<typeof resolveTrainOptions>;

/**
 * With fresh actions every pass is new data; three passes learn much more than one (docs/decisions/004-training.md).
 */
export const DEFAULT_EPOCHS = { fresh: 3, logged: 1 } as const;

/** Fills in the defaults that depend on other options, and rejects combinations that would silently have no effect. */
export function resolveTrainOptions<Trained extends TrainerPolicy>(input: TrainOptions<Trained>) {
  const options = parseOptions(trainSchema, input, "train");
  const logged = options.actions === "logged";
  const parts = resolveParts(options);
  const samplesPerState = options.samplesPerState ?? (logged ? 1 : 4);
  const epochs =
    options.epochs ?? (options.steps === undefined ? DEFAULT_EPOCHS[options.actions] : undefined);
  const klWeight = options.klWeight ?? (options.reference ? 0.05 : 0);
  if (logged && samplesPerState !== 1)
    throw refuse(
      "samplesPerState",
      `is ${samplesPerState} with actions "logged": a state has one logged action`,
      "leave it out",
    );
  const { terms, lossId, parameters, aggregation, fixedLength, baseline, scaleRewards } = resolveLoss({
    ...options,
    samplesPerState,
    klWeight,
  });
  const reference = options.reference ?? (klWeight > 0 ? ownReference(options.policy, klWeight) : undefined);
  if (options.epochs !== undefined && options.steps !== undefined)
    throw refuse("epochs", "and steps are both given", "give one of them");
  checkSampling(options, baseline, parts);
  const { temperature, maxGradNorm, beta2, entropyWeight = 0 } = options;
  options.policy.checkTraining?.({ temperature, maxGradNorm, beta2, entropyWeight });
  return {
    ...options,
    reference,
    parts,
    terms,
    lossId,
    samplesPerState,
    baseline,
    scaleRewards,
    epochs,
    klWeight,
    aggregation,
    fixedLength,
    clipLow: parameters.clipLow ?? 0.2, // for losses without a clip as well: checkpoints of 0.1.0 have it
    clipHigh: parameters.clipHigh ?? 0.2,
  };
}

/**
 * A new adapter starts out equal to its base, which is then the reference: the same weights in memory, without the
 * adapter.
 */
function ownReference(policy: TrainerPolicy, klWeight: number): SequenceScorer {
  if (policy.isBase && policy.trainable) return policy.base;
  throw refuse(
    "klWeight",
    `is ${klWeight} without a reference policy`,
    policy.adapterName === undefined
      ? "give `reference`, or set klWeight to 0"
      : 'the adapter is not new, so it may not be what its base is: give `reference`, policy.base or a copy of the start, await policy.adapter("start", { adapter: FOLDER, trainable: false })',
  );
}

function checkSampling(
  options: z.output<typeof trainSchema>,
  baseline: Baseline,
  parts: readonly RewardPart[],
): void {
  const { dynamicSampling, overlong, maxNewTokens, actions } = options;
  if (dynamicSampling !== undefined && actions === "logged")
    throw refuse("dynamicSampling", 'does nothing with actions "logged"', "leave it out");
  if (dynamicSampling !== undefined && !comparesActions(baseline))
    throw refuse(
      "dynamicSampling",
      `does not go with baseline "${baseline}", for which equal rewards carry a signal`,
      'use baseline "group" or "leave-one-out"',
    );
  if (!overlong) return;
  if (overlong.buffer > maxNewTokens)
    throw refuse("overlong.buffer", `is ${overlong.buffer}, above maxNewTokens ${maxNewTokens}`, "lower it");
  if (parts.some(({ name }) => name === "overlong"))
    throw refuse("rewards", 'has "overlong", the name of the penalty', "give it another name");
}
