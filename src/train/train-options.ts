/**
 * Options of `train`. What the paper leaves open is decided here; every default says why.
 *
 * `tree` and the micro-batch change float32 sums in their last bits: the same options give the same bits.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { judgeSchema } from "../judge/judge.js";
import { softmaxTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { nativePolicySchema } from "../policy/native-policy.js";
import { BASELINES } from "./advantages.js";
import { checkpointsSchema, optimizerShape, trajectoriesSchema } from "./optimizer-options.js";
import type { Reward } from "./reward.js";
import { REWARD_MAPS } from "./reward-map.js";
import type { TrainRecord } from "./train-record.js";
import type { Validate } from "./validation.js";

const rewardSchema = z.custom<Reward>(
  (value) => {
    const { score, id } = (value ?? {}) as Partial<Reward>;
    return typeof score === "function" && typeof id === "string" && id !== "";
  },
  { message: "must be a Reward (outcomeReward({ task }), or an object with id and score())" },
);

export const trainSchema = z.strictObject({
  policy: nativePolicySchema,
  trajectories: trajectoriesSchema,
  /** Scores fresh actions (and logged ones under actions: "logged"). Wrap it in journaledJudge to keep its verdicts. */
  judge: judgeSchema.optional(),
  /** Instead of the judge: scores fresh actions with the whole state at hand. outcomeReward is the one there is. */
  reward: rewardSchema.optional(),
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
  /** leave-one-out for fresh actions, running for logged ones. */
  baseline: z.enum(BASELINES).optional(),
  baselineDecay: z.number().min(0).lt(1).default(0.9),
  /** What a verdict is worth. "binary" and "signed" take GOOD or BAD from it, "score" the judge's own number. */
  rewardMap: z.enum(REWARD_MAPS).default("binary"),
  loss: z.enum(["reinforce", "ppo-clip"]).default("reinforce"),
  /** sequence-sum is the gradient of the expected reward itself: log π(a|s) is a sum over the action's tokens. */
  aggregation: z.enum(["sequence-sum", "sequence-mean", "token-mean"]).default("sequence-sum"),
  clipLow: z.number().positive().lt(1).optional(),
  clipHigh: z.number().positive().optional(),
  /** Optimizer steps on the same judged actions. */
  updatesPerBatch: z.int().min(1).default(1),
  /** Weight of the KL term in the loss. 0.05 where a reference is given. */
  klWeight: z.number().min(0).optional(),
  klEstimator: z.enum(["k1", "k2", "k3"]).default("k3"),
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
  if ((options.judge === undefined) === (options.reward === undefined))
    throw refuse("judge", `and reward are ${options.judge ? "both" : "neither"} given`, "give one of them");
  if (logged && options.reward)
    throw refuse("reward", 'does nothing with actions "logged"', 'give a judge, or actions: "fresh"');
  const samplesPerState = options.samplesPerState ?? (logged ? 1 : 4);
  const baseline = options.baseline ?? (logged || samplesPerState === 1 ? "running" : "leave-one-out");
  const epochs =
    options.epochs ?? (options.steps === undefined ? DEFAULT_EPOCHS[options.actions] : undefined);
  const klWeight = options.klWeight ?? (options.reference ? 0.05 : 0);
  if (logged && samplesPerState !== 1)
    throw refuse(
      "samplesPerState",
      `is ${samplesPerState} with actions "logged": a state has one logged action`,
      "leave it out",
    );
  if ((baseline === "group" || baseline === "leave-one-out") && samplesPerState < 2)
    throw refuse("baseline", `"${baseline}" needs samplesPerState of 2 or more`, 'use "running" or "none"');
  if (klWeight > 0 && !options.reference)
    throw refuse(
      "klWeight",
      `is ${klWeight} without a reference policy`,
      "give `reference`, or set klWeight to 0",
    );
  if (options.loss === "reinforce" && (options.clipLow !== undefined || options.clipHigh !== undefined))
    throw refuse(
      "clipLow/clipHigh",
      'do nothing with loss "reinforce"',
      'set loss to "ppo-clip", or leave them out',
    );
  if (options.loss === "ppo-clip" && !logged && options.updatesPerBatch === 1)
    throw refuse(
      "loss",
      '"ppo-clip" on fresh actions with updatesPerBatch 1 never clips: the policy is the one that sampled',
      'set updatesPerBatch to 2 or more, or loss to "reinforce"',
    );
  if (options.epochs !== undefined && options.steps !== undefined)
    throw refuse("epochs", "and steps are both given", "give one of them");
  return {
    ...options,
    samplesPerState,
    baseline,
    epochs,
    klWeight,
    clipLow: options.clipLow ?? 0.2,
    clipHigh: options.clipHigh ?? 0.2,
  };
}

function refuse(field: string, problem: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `train: ${field} ${problem}`, { remedy, details: { field } });
}
