/**
 * The losses under their common names, each with its options and with the defaults of its paper or of TRL for the rest:
 * how token losses are summed, and how rewards become advantages. All of it can be overridden; docs/losses.md
 * has TRL's and verl's name for each option.
 */

import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { AGGREGATIONS, type Aggregation } from "./aggregation.js";
import { cispo, cispoOptions } from "./cispo.js";
import { dppoKl, dppoOptions, dppoTv } from "./dppo.js";
import { gspo, gspoOptions } from "./gspo.js";
import { gspoToken } from "./gspo-token.js";
import { type CorrectionOptions, withCorrection } from "./importance-correction.js";
import type { LossFunction } from "./loss-function.js";
import { ppoClip, ppoClipOptions } from "./ppo-clip.js";
import { reinforce } from "./reinforce.js";
import { sapo, sapoOptions } from "./sapo.js";

/** Names of the built-in losses; docs/losses.md has their equations. */
export const LOSS_NAMES = [
  "reinforce",
  "ppo-clip",
  "grpo",
  "dr_grpo",
  "dapo",
  "gspo",
  "gspo_token",
  "cispo",
  "sapo",
  "dppo_tv",
  "dppo_kl",
] as const;
/** Name of a built-in loss. */
export type LossName = (typeof LOSS_NAMES)[number];

/** Every option that some loss takes. */
export type LossParameters = {
  /** Clipping losses keep the ratio above 1 - clipLow; 0 … 1. */
  clipLow?: number | undefined;
  /** Clipping losses keep the ratio below 1 + clipHigh; at least 0. */
  clipHigh?: number | undefined;
  /** Largest ratio that counts where the advantage is negative; above 1 + clipHigh. Default: unlimited. */
  dualClip?: number | undefined;
  /** Upper bound of the ratio that weights a token; above 0. */
  ratioCap?: number | undefined;
  /** Lower bound of the ratio that weights a token; at least 0, below ratioCap. */
  ratioFloor?: number | undefined;
  /** Slope of the sigmoid of "sapo" where the advantage is positive; above 0. */
  tauPositive?: number | undefined;
  /** Slope of the sigmoid of "sapo" elsewhere; above 0. */
  tauNegative?: number | undefined;
  /** A token with a negative advantage is left out if it fell by more: in probability, or in nats; above 0. */
  divergenceLow?: number | undefined;
  /** A token with a positive advantage is left out if it rose by more: in probability, or in nats; above 0. */
  divergenceHigh?: number | undefined;
};

export const LOSS_PARAMETERS = [
  "clipLow",
  "clipHigh",
  "dualClip",
  "ratioCap",
  "ratioFloor",
  "tauPositive",
  "tauNegative",
  "divergenceLow",
  "divergenceHigh",
] as const satisfies readonly (keyof LossParameters)[];

export interface LossDefinition {
  /** The loss's own options. Any other key is an error. */
  options: z.ZodObject;
  /** The loss of a token in ASCII mathematics; `{name}` stands for an option's value. */
  equation: string;
  aggregation: Aggregation;
  /** Of advantages within the G actions of one state; see src/train/advantages.ts. Absent: the trainer's default. */
  advantage?: { baseline: "group"; scaleRewards: "group" | "none" };
  /** What the engine computes itself, in the pass of the gradient; where absent, `create` is called per sequence. */
  fused?: "reinforce" | "ppo-clip";
  /** Makes the loss function from resolved options. */
  create: (options: LossParameters) => LossFunction;
}

const noOptions = z.strictObject({});
const grouped = { baseline: "group", scaleRewards: "group" } as const;
const clipped = "-min(r·A, clip(r, 1 - {clipLow}, 1 + {clipHigh})·A)";
const ppo = {
  options: ppoClipOptions,
  equation: clipped,
  fused: "ppo-clip",
  create: ppoClip,
} as const;
const dapoOptions = z
  .strictObject({ ...ppoClipOptions.shape, clipHigh: ppoClipOptions.shape.clipHigh.unwrap().default(0.28) })
  .refine(({ clipHigh, dualClip }) => dualClip === undefined || dualClip > 1 + clipHigh, {
    path: ["dualClip"],
    error: "must be above 1 + clipHigh",
  });

export const LOSSES: Record<LossName, LossDefinition> = {
  reinforce: {
    options: noOptions,
    equation: "-A·log π",
    aggregation: "sequence-sum",
    fused: "reinforce",
    create: reinforce,
  },
  "ppo-clip": { ...ppo, aggregation: "sequence-sum" },
  grpo: { ...ppo, aggregation: "sequence-mean", advantage: grouped },
  dr_grpo: {
    ...ppo,
    aggregation: "fixed-length",
    advantage: { baseline: "group", scaleRewards: "none" },
  },
  dapo: { ...ppo, options: dapoOptions, aggregation: "token-mean", advantage: grouped },
  gspo: {
    options: gspoOptions,
    equation: "-min(s·A, clip(s, 1 - {clipLow}, 1 + {clipHigh})·A), s = exp(mean over the sequence of log r)",
    aggregation: "sequence-mean",
    advantage: grouped,
    create: gspo,
  },
  gspo_token: {
    options: gspoOptions,
    equation:
      "-min(s·A, clip(s, 1 - {clipLow}, 1 + {clipHigh})·A), log s = log π - sg(log π) + sg(mean over the sequence of log r)",
    aggregation: "sequence-mean",
    advantage: grouped,
    create: gspoToken,
  },
  cispo: {
    options: cispoOptions,
    equation: "-sg(clip(r, {ratioFloor}, {ratioCap}))·A·log π",
    aggregation: "token-mean",
    advantage: grouped,
    create: cispo,
  },
  sapo: {
    options: sapoOptions,
    equation: "-A·sigmoid(τ·(r - 1))·4/τ, τ = {tauPositive} where A > 0, else {tauNegative}",
    aggregation: "sequence-mean",
    advantage: grouped,
    create: sapo,
  },
  dppo_tv: {
    options: dppoOptions,
    equation:
      "-m·sg(min(r, {ratioCap}))·A·log π, m = 0 where π rose by more than {divergenceHigh} and A > 0, or fell by more than {divergenceLow} and A < 0",
    aggregation: "token-mean",
    advantage: grouped,
    create: dppoTv,
  },
  dppo_kl: {
    options: dppoOptions,
    equation:
      "-m·sg(min(r, {ratioCap}))·A·log π, m = 0 where π rose, KL(π_old, π) > {divergenceHigh} and A > 0, or π fell, KL > {divergenceLow} and A < 0",
    aggregation: "token-mean",
    advantage: grouped,
    create: dppoKl,
  },
};

export interface NamedLossOptions extends LossParameters {
  /** @default the one of the loss: see docs/losses.md */
  aggregation?: Aggregation | undefined;
  /** Tokens that "fixed-length" divides by; needed for it, and for nothing else. */
  fixedLength?: number | undefined;
  /** Weights for actions that another engine sampled; reads samplerLogprobs and behaviorLogprobs. */
  correction?: CorrectionOptions | undefined;
}

/** What `policy.update` and `policy.forwardBackward` take. */
export interface LossTermOptions {
  /** A loss that the engine computes itself, or a function. */
  loss: "reinforce" | "ppo-clip" | LossFunction;
  /** How token losses become one number. */
  aggregation: Aggregation;
  /** Tokens that "fixed-length" divides by. */
  fixedLength?: number;
  /** Of "ppo-clip": the ratio stays above 1 - clipLow. */
  clipLow?: number;
  /** Of "ppo-clip": the ratio stays below 1 + clipHigh. */
  clipHigh?: number;
}

const aggregationSchema = z.enum(AGGREGATIONS).optional();

/**
 * A loss by its name, as options for the policy: `policy.update(batch, { ...namedLoss("gspo"), klWeight: 0.05 })`.
 *
 * @throws SwirlError CONFIG for an unknown name, an option that the loss does not take or a value it cannot have.
 */
export function namedLoss(name: LossName, options: NamedLossOptions = {}): LossTermOptions {
  return ofArguments("namedLoss", "(name, options)", () => {
    const definition = lossDefinition(name);
    const { aggregation: given, fixedLength, correction, ...own } = options;
    const parameters = lossParameters(name, own);
    const aggregation =
      parseOptions(z.strictObject({ aggregation: aggregationSchema }), { aggregation: given }, name)
        .aggregation ?? definition.aggregation;
    if ((aggregation === "fixed-length") !== (fixedLength !== undefined))
      throw new SwirlError(
        "CONFIG",
        aggregation === "fixed-length"
          ? `${name}: aggregation "fixed-length" needs fixedLength`
          : `${name}: fixedLength does nothing with aggregation "${aggregation}"`,
        {
          remedy: aggregation === "fixed-length" ? "give the longest completion allowed" : "leave it out",
          details: { field: "fixedLength" },
        },
      );
    const shared = { aggregation, ...(fixedLength === undefined ? {} : { fixedLength }) };
    if (correction || !definition.fused || parameters.dualClip !== undefined)
      return { loss: lossFunction(name, { ...own, correction }), ...shared };
    const { clipLow, clipHigh } = parameters;
    return {
      loss: definition.fused,
      ...shared,
      ...(clipLow === undefined || clipHigh === undefined ? {} : { clipLow, clipHigh }),
    };
  });
}

/** A loss by its name as a function of one sequence, to build your own loss on. */
export function lossFunction(
  name: LossName,
  options: LossParameters & Pick<NamedLossOptions, "correction"> = {},
): LossFunction {
  return ofArguments("lossFunction", "(loss, options)", () => {
    const { correction, ...own } = options;
    const loss = lossDefinition(name).create(lossParameters(name, own));
    return correction ? withCorrection(loss, correction) : loss;
  });
}

/** The loss's own options with its defaults filled in. */
export function lossParameters(name: LossName, given: LossParameters): LossParameters {
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return parseOptions(lossDefinition(name).options, defined, `loss ${name}`) as LossParameters;
}

export function lossDefinition(name: LossName): LossDefinition {
  if (Object.hasOwn(LOSSES, name)) return LOSSES[name];
  throw new SwirlError("CONFIG", `there is no loss ${JSON.stringify(name)}`, {
    remedy: `use one of ${LOSS_NAMES.join(", ")}, or a function of your own`,
    details: { field: "loss" },
  });
}
