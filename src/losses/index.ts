/** Losses: by name, as functions to build on, and the types for one of your own. */
export type { Aggregation } from "./aggregation.js";
export { cispo } from "./cispo.js";
export { dppoKl, dppoTv } from "./dppo.js";
export { gspo } from "./gspo.js";
export { gspoToken } from "./gspo-token.js";
export { type CorrectionOptions, withCorrection } from "./importance-correction.js";
export { type KlEstimator, klEstimate, sequenceKl } from "./kl.js";
export type { LossFunction, LossSequence, LossTerms } from "./loss-function.js";
export {
  LOSS_NAMES,
  type LossName,
  type LossParameters,
  type LossTermOptions,
  lossFunction,
  type NamedLossOptions,
  namedLoss,
} from "./named-losses.js";
export { ppoClip } from "./ppo-clip.js";
export { reinforce } from "./reinforce.js";
export { sapo } from "./sapo.js";
