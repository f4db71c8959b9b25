/**
 * The options of `train` that decide the loss and the advantages, and what they resolve to: a named loss brings its
 * aggregation and its advantages, each of which can be overridden. An option without effect is an error.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { AGGREGATIONS } from "../losses/aggregation.js";
import { correctionOptions } from "../losses/importance-correction.js";
import { KL_ESTIMATORS } from "../losses/kl.js";
import type { LossFunction } from "../losses/loss-function.js";
import {
  LOSS_NAMES,
  LOSS_PARAMETERS,
  type LossName,
  type LossParameters,
  type LossTermOptions,
  lossDefinition,
  lossParameters,
  namedLoss,
} from "../losses/named-losses.js";
import { BASELINES, type Baseline, comparesActions, whitens } from "./advantages.js";
import { REWARD_SCALES } from "./scale-rewards.js";

const parameter = z.number().optional(); // the loss's own schema checks it

export const lossShape = {
  /** A name of docs/losses.md, or a function of your own. */
  loss: z
    .union([z.enum(LOSS_NAMES), z.custom<LossFunction>((value) => typeof value === "function")], {
      error: `must be one of ${LOSS_NAMES.join(", ")}, or a function`,
    })
    .default("reinforce"),
  /** The loss's own; sequence-sum for reinforce: log π(a|s) is a sum over the action's tokens. */
  aggregation: z.enum(AGGREGATIONS).optional(),
  /** Tokens that "fixed-length" divides by. maxNewTokens. */
  fixedLength: z.int().min(1).optional(),
  ...(Object.fromEntries(LOSS_PARAMETERS.map((name) => [name, parameter])) as Record<
    (typeof LOSS_PARAMETERS)[number],
    typeof parameter
  >),
  /** For logged actions, which other weights sampled: weights by π_old / the recorded probabilities. */
  correction: correctionOptions.optional(),
  /** leave-one-out for fresh actions, running for logged ones; the loss's own where it has one. */
  baseline: z.enum(BASELINES).optional(),
  baselineDecay: z.number().min(0).lt(1).default(0.9),
  /** What advantages are divided by. The loss's own, or none. */
  scaleRewards: z.enum(REWARD_SCALES).optional(),
  /** Weight of the KL term. 0.05 where a reference is given. */
  klWeight: z.number().min(0).optional(),
  klEstimator: z.enum(KL_ESTIMATORS).default("k3"),
  /** "reward": the KL estimate is taken from each action's reward instead, before the baseline. "loss". */
  klIn: z.enum(["loss", "reward"]).optional(),
  /** Weight of an entropy bonus in the loss. 0. */
  entropyWeight: z.number().min(0).optional(),
} as const;

const lossSchema = z.object(lossShape);
export type LossInput = z.output<typeof lossSchema> & {
  actions: "fresh" | "logged";
  samplesPerState: number;
  updatesPerBatch: number;
  maxNewTokens: number;
};

export function refuse(field: string, problem: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `train: ${field} ${problem}`, { remedy, details: { field } });
}

/** Losses that are REINFORCE, with nothing of their own, where the policy is the one that sampled. */
const ONLY_CLIPS: readonly string[] = ["ppo-clip", "dppo_tv", "dppo_kl"];

export function resolveLoss(options: LossInput) {
  const { loss, samplesPerState, klWeight = 0, klIn } = options;
  const logged = options.actions === "logged";
  const definition = typeof loss === "string" ? lossDefinition(loss) : undefined;
  const given = LOSS_PARAMETERS.filter((name) => options[name] !== undefined);
  const foreign = given.find((name) => !(name in (definition?.options.shape ?? {})));
  if (foreign !== undefined) {
    const own = Object.keys(definition?.options.shape ?? {}).join(", ");
    throw refuse(
      foreign,
      `is an option that would do nothing with loss ${shownLoss(loss)}`,
      own ? `it takes ${own}` : 'set loss to "ppo-clip" or another that takes it, or leave it out',
    );
  }
  const onPolicy = !logged && options.updatesPerBatch === 1;
  if (onPolicy && typeof loss === "string" && ONLY_CLIPS.includes(loss))
    throw refuse(
      "loss",
      `"${loss}" on fresh actions with updatesPerBatch 1 never clips: the policy is the one that sampled`,
      'set updatesPerBatch to 2 or more, or loss to "reinforce"',
    );
  if (onPolicy && given.length > 0)
    throw refuse(
      given[0]!,
      "does nothing on fresh actions with updatesPerBatch 1: the policy is the one that sampled, every ratio is 1",
      "set updatesPerBatch to 2 or more, or leave it out",
    );
  if (options.correction && !logged)
    throw refuse(
      "correction",
      "does nothing on fresh actions: they are sampled with the log-probs that are trained, to the bit",
      'leave it out, or use actions: "logged"',
    );

  const aggregation = options.aggregation ?? definition?.aggregation ?? "sequence-sum";
  if (options.fixedLength !== undefined && aggregation !== "fixed-length")
    throw refuse("fixedLength", `does nothing with aggregation "${aggregation}"`, "leave it out");
  const fixedLength =
    aggregation === "fixed-length" ? (options.fixedLength ?? options.maxNewTokens) : undefined;
  const baseline: Baseline =
    options.baseline ??
    definition?.advantage?.baseline ??
    (logged || samplesPerState === 1 ? "running" : "leave-one-out");
  if (comparesActions(baseline) && samplesPerState < 2)
    throw refuse("baseline", `"${baseline}" needs samplesPerState of 2 or more`, 'use "running" or "none"');
  if (whitens(baseline) && options.scaleRewards !== undefined)
    throw refuse("scaleRewards", `does nothing with baseline "${baseline}", which whitens`, "leave it out");
  const scaleRewards = whitens(baseline)
    ? "none"
    : (options.scaleRewards ?? definition?.advantage?.scaleRewards ?? "none");
  if (scaleRewards === "group" && samplesPerState < 2)
    throw refuse("scaleRewards", '"group" needs samplesPerState of 2 or more', 'use "batch" or "none"');
  if (klIn === "reward") {
    if (klWeight === 0)
      throw refuse("klIn", '"reward" does nothing with klWeight 0', "set klWeight, or leave it out");
    if (logged) throw refuse("klIn", '"reward" needs fresh actions', 'leave it out, or use actions: "fresh"');
    if (options.klEstimator === "k3+")
      throw refuse(
        "klEstimator",
        '"k3+" differs from "k3" only in its gradient, and a reward has none',
        'use "k3"',
      );
  }

  const own = pick(options);
  const shared = { aggregation, ...(fixedLength === undefined ? {} : { fixedLength }) };
  const terms: LossTermOptions =
    typeof loss === "function"
      ? { loss, ...shared }
      : namedLoss(loss, { ...own, ...shared, correction: options.correction });
  return {
    terms,
    lossId: typeof loss === "function" ? `function ${loss.name || "without a name"}` : loss,
    parameters: typeof loss === "string" ? lossParameters(loss, own) : {},
    aggregation,
    fixedLength,
    baseline,
    scaleRewards,
  };
}

function pick(options: LossInput): LossParameters {
  return Object.fromEntries(LOSS_PARAMETERS.map((name) => [name, options[name]]));
}

function shownLoss(loss: LossName | LossFunction): string {
  return typeof loss === "string" ? `"${loss}"` : "of your own";
}
