/**
 * Options of `train`. What the paper leaves open is decided here; every default says why.
 *
 * `tree` and the micro-batch change float32 sums in their last bits: the same options give the same bits.
 */
import { z } from "zod";
import { judgeSchema } from "../judge/judge.js";
import { softmaxTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { nativePolicySchema } from "../policy/native-policy.js";
import { type Baseline, comparesActions } from "./advantages.js";
import { lossShape, refuse, resolveLoss } from "./loss-options.js";
import { checkpointsSchema, optimizerShape, trajectoriesSchema } from "./optimizer-options.js";
import { overlongSchema } from "./overlong.js";
import { REWARD_MAPS } from "./reward-map.js";
import { type RewardPart, resolveParts, rewardPartSchema, rewardSchema } from "./reward-parts.js";
import type { TrainRecord } from "./train-record.js";
import type { Validate } from "./validation.js";

export const trainSchema = z.strictObject({
  policy: nativePolicySchema,
  trajectories: trajectoriesSchema,
  /** Scores fresh actions (and logged ones under actions: "logged"). Wrap it in journaledJudge to keep its verdicts. */
  judge: judgeSchema.optional(),
  /** Instead of the judge: scores fresh actions with the whole state at hand. outcomeReward is the one there is. */
  reward: rewardSchema.optional(),
  /** Instead of either: several, summed with weights, each logged as rewards/NAME/mean and /std. */
  rewards: z.array(rewardPartSchema).min(1).max(64).optional(),
  /** The initial policy, frozen: needed for klWeight > 0; without a weight it only measures. */
  reference: nativePolicySchema.optional(),
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
  /** What a verdict is worth. "binary" and "signed" take GOOD or BAD from it, "score" the judge's own number. */
  rewardMap: z.enum(REWARD_MAPS).default("binary"),
  ...lossShape,
  /** Optimizer steps on the same judged actions. */
  updatesPerBatch: z.int().min(1).default(1),
  /**
   * DAPO's dynamic sampling: how often a state whose actions all got one reward is drawn again. One that still has one
   * reward is left out of the update.
   */
  dynamicSampling: z.int().min(1).max(100).optional(),
  /** Takes reward from actions that come near maxNewTokens. */
  overlong: overlongSchema.optional(),
  /** Leaves actions that maxNewTokens cut off out of the loss; their rewards still count in the baseline. false. */
  maskTruncated: z.boolean().optional(),
  /** Judgements in flight. */
  judgeConcurrency: z.int().min(1).default(16),
  ...optimizerShape,
  checkpoints: checkpointsSchema.optional(),
  metricsFile: z.string().min(1).optional(),
  /**
   * Called after every `every` updates; its numbers join the step's record under `validation/…`. A value that is no
   * finite number ends the run with a CONFIG error.
   */
  validate: z
    .strictObject({
      every: z.int().min(1),
      run: z.custom<Validate>((value) => typeof value === "function", { message: "must be a function" }),
    })
    .optional(),
  onStep: callback<TrainRecord>("onStep").optional(),
  onProgress: callback<{
    step: number;
    totalSteps: number;
    phase: TrainPhase;
    done: number;
    total: number;
  }>("onProgress").optional(),
  /** Told of what a person should know but need not act on: a checkpoint that was passed over, a skipped update. */
  onNote: callback<string>("onNote").optional(),
  signal: signalSchema.optional(),
});

/** resume: looking for a checkpoint and verifying it. */
export type TrainPhase = "resume" | "sample" | "judge" | "reference" | "update" | "checkpoint";

export type TrainOptions = z.input<typeof trainSchema>;

export type ResolvedTrainOptions = ReturnType<typeof resolveTrainOptions>;

/** Fresh actions make every pass new data; three of them learn much more than one (docs/decisions/004-training.md). */
export const DEFAULT_EPOCHS = { fresh: 3, logged: 1 } as const;

/** Fills in the defaults that depend on other options, and refuses combinations that would silently do nothing. */
export function resolveTrainOptions(input: TrainOptions) {
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
  if (klWeight > 0 && !options.reference)
    throw refuse(
      "klWeight",
      `is ${klWeight} without a reference policy`,
      "give `reference`, or set klWeight to 0",
    );
  if (options.epochs !== undefined && options.steps !== undefined)
    throw refuse("epochs", "and steps are both given", "give one of them");
  checkSampling(options, baseline, parts);
  return {
    ...options,
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
    clipLow: parameters.clipLow ?? 0.2, // of losses without a clip as well: checkpoints of 0.1.0 say so
    clipHigh: parameters.clipHigh ?? 0.2,
  };
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
      `does not go with baseline "${baseline}", to which equal rewards are no waste`,
      'use baseline "group" or "leave-one-out"',
    );
  if (!overlong) return;
  if (overlong.buffer > maxNewTokens)
    throw refuse("overlong.buffer", `is ${overlong.buffer}, above maxNewTokens ${maxNewTokens}`, "lower it");
  if (parts.some(({ name }) => name === "overlong"))
    throw refuse("rewards", 'has "overlong", the name of the penalty', "give it another name");
}
