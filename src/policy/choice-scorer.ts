/**
 * A policy that can say how probable each of a few answers is at one place of its output, such as GOOD or BAD after
 * "Verdict:". A native policy computes it from its log-probs; an endpoint reads its top_logprobs.
 */
import type { Context, Policy, SamplingOptions } from "./policy.js";

export interface ChoiceOptions extends Omit<SamplingOptions, "n" | "stop"> {
  /** The words that precede the choice ("Verdict:"). Everything before them is written freely, as reasoning. */
  lead: string;
  /** At least two, no one a prefix of another, without surrounding blanks. */
  choices: readonly string[];
}

export interface ChoiceResult {
  /** What the policy wrote up to the choice. */
  text: string;
  /** Log-prob of each choice at that place, in the order of `choices`; -Infinity when the endpoint does not list it. */
  logprobs: number[];
}

export interface ChoiceScorer {
  /**
   * Rejects with code "INPUT" and details.noChoice when the output holds no place for a choice (an endpoint's reply
   * without any of them),
   * and with code "CONFIG" when the endpoint gives no log-probs at all.
   */
  choose(context: Context, options: ChoiceOptions): Promise<ChoiceResult>;
}

export function scoresChoices(policy: Policy): policy is Policy & ChoiceScorer {
  return "choose" in policy && typeof policy.choose === "function";
}
