/**
 * The loss options of a call as the engine needs them: a loss that it computes itself, or a function of one sequence.
 * A name stands for its options and its aggregation (src/losses/named-losses.ts); an option that would silently do
 * nothing is an error.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { LossFunction } from "../losses/loss-function.js";
import { LOSS_PARAMETERS, namedLoss } from "../losses/named-losses.js";
import type { NativeLossOptions } from "../native/addon.js";
import type { LossInput } from "./native-options.js";

export interface ResolvedLoss {
  /** Absent: the engine computes it. */
  function: LossFunction | undefined;
  native: NativeLossOptions;
}

export function resolveLoss(options: LossInput): ResolvedLoss {
  const { loss, aggregation: given, fixedLength, correction, denominators, ...rest } = options;
  const own = Object.fromEntries(
    LOSS_PARAMETERS.filter((key) => rest[key] !== undefined).map((key) => [key, rest[key]]),
  );
  const terms =
    typeof loss === "string"
      ? namedLoss(loss, { ...own, aggregation: given, fixedLength, correction })
      : { loss, aggregation: given ?? "sequence-sum", fixedLength };
  if (typeof loss === "function") {
    const [unused] = Object.keys({ ...own, ...(correction === undefined ? {} : { correction }) });
    if (unused !== undefined) throw refusal(unused, "does nothing with a loss function", "leave it out");
    requireUsed("fixedLength", fixedLength, given === "fixed-length", "sequence-sum");
    if (given === "fixed-length" && fixedLength === undefined) {
      throw refusal(
        "fixedLength",
        'is missing: aggregation "fixed-length" divides by it',
        "give the longest completion allowed",
      );
    }
  }
  const { aggregation } = terms;
  const tokens = aggregation === "token-mean";
  requireUsed("denominators.tokens", denominators?.tokens, tokens, aggregation);
  requireUsed("denominators.sequences", denominators?.sequences, !tokens, aggregation);
  const { klWeight, klEstimator, entropyWeight, temperature, tree, maxTokensPerMicroBatch } = rest;
  return {
    function: typeof terms.loss === "function" ? terms.loss : undefined,
    native: {
      loss: typeof terms.loss === "function" ? "derivative" : terms.loss,
      aggregation,
      clipLow: "clipLow" in terms ? (terms.clipLow ?? 0.2) : 0.2,
      clipHigh: "clipHigh" in terms ? (terms.clipHigh ?? 0.2) : 0.2,
      klWeight,
      klEstimator,
      entropyWeight,
      temperature,
      tree,
      maxTokensPerMicroBatch,
      ...(terms.fixedLength === undefined ? {} : { fixedLength: terms.fixedLength }),
      ...(denominators?.sequences === undefined ? {} : { totalSequences: denominators.sequences }),
      ...(denominators?.tokens === undefined ? {} : { totalWeight: denominators.tokens }),
    },
  };
}

function requireUsed(field: string, value: unknown, used: boolean, aggregation: string): void {
  if (value !== undefined && !used)
    throw refusal(field, `does nothing with aggregation "${aggregation}"`, "leave it out");
}

function refusal(field: string, problem: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `${field} ${problem}`, { remedy, details: { field } });
}
