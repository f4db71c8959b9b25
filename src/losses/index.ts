/** Losses: by name, and as functions to build on. */
export { cispo } from "./cispo.js";
export { dppoKl, dppoTv } from "./dppo.js";
export { gspo } from "./gspo.js";
export { gspoToken } from "./gspo-token.js";
export { type CorrectionOptions, withCorrection } from "./importance-correction.js";
export { type KlEstimate, type KlEstimator, klEstimate, sequenceKl } from "./kl.js";
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
