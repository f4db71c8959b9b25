/** The loss as an equation with its numbers filled in, for `swirl train --dry-run`. */
import type { Aggregation } from "../losses/aggregation.js";
import { lossDefinition } from "../losses/named-losses.js";
import type { Baseline } from "./advantages.js";
import { type LossInput, resolveLoss } from "./loss-options.js";
import type { RewardScale } from "./scale-rewards.js";

const SUMS: Record<Aggregation, string> = {
  "sequence-sum": "1/N Σᵢ Σₜ",
  "sequence-mean": "1/N Σᵢ 1/Tᵢ Σₜ",
  "token-mean": "1/ΣᵢTᵢ Σᵢ Σₜ",
  "fixed-length": "1/(N·L) Σᵢ Σₜ",
};

const CENTERS: Record<Baseline, string> = {
  none: "R",
  running: "R - running mean of R",
  group: "R - mean of the state's R",
  "leave-one-out": "R - mean of the state's other R",
  "reinforce++": "R, whitened over the batch's tokens",
  "reinforce++_baseline": "R - mean of the state's R, whitened over the batch's tokens",
};

const SCALES: Record<RewardScale, string> = {
  none: "",
  group: " / (deviation of the state's R + 1e-4)",
  batch: " / (deviation of the batch's R + 1e-4)",
};

/** Lines of text: the loss of a batch, and the definitions of its symbols. */
export function lossEquation(options: LossInput): string[] {
  const { lossId, parameters, aggregation, fixedLength, baseline, scaleRewards } = resolveLoss(options);
  const { loss, klWeight = 0, klEstimator, klIn = "loss", entropyWeight = 0, correction } = options;
  const named = typeof loss === "string" ? lossDefinition(loss).equation : `${lossId}(sequence)`;
  const token = named.replaceAll(
    /\{(\w+)\}/g,
    (_, key: string) => `${parameters[key as keyof typeof parameters]}`,
  );
  const dual = parameters.dualClip === undefined ? "" : ` with r at most ${parameters.dualClip} where A < 0`;
  const [objective, ...where] = token.split(", ").length > 1 ? splitWhere(token) : [token];
  const kl = klWeight > 0 ? `${klWeight}·${klEstimator}(π, π_ref)` : "";
  const sum = [
    correction ? `w·(${objective})` : objective,
    ...(kl && klIn === "loss" ? [`+ ${kl}`] : []),
    ...(entropyWeight > 0 ? [`- ${entropyWeight}·entropy`] : []),
  ].join(" ");
  const center = CENTERS[baseline];
  return [
    `loss (${lossId}) = ${SUMS[aggregation]} [ ${sum} ]${dual}`,
    ...where,
    `A = ${scaleRewards === "none" ? center : `(${center})${SCALES[scaleRewards]}`}${kl && klIn === "reward" ? `, R = reward - Σₜ ${kl}` : ""}`,
    ...(fixedLength === undefined ? [] : [`L = ${fixedLength}`]),
    ...(token.includes("r") && lossId !== "reinforce" && typeof loss === "string" ? ["r = π / π_old"] : []),
    ...(correction
      ? [`w = π_old / π_sampler, ${correction.mode}, from ${correction.clipMin} to ${correction.clipMax}`]
      : []),
  ];
}

/** "f(s), s = …" → ["f(s)", "s = …"]: what follows the first ", " that is followed by a definition. */
function splitWhere(token: string): string[] {
  const at = token.search(/, (log )?[a-zτ] = /);
  return at < 0 ? [token] : [token.slice(0, at), token.slice(at + 2)];
}
