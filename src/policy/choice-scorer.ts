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
  /**
   * Where a text chooses: the position of the chosen word, undefined where it chooses none. It decides which lead is
   * the policy's own and not one that it thinks about or quotes. Default: after the last lead.
   */
  find?: (text: string) => number | undefined;
}

export interface ChoiceResult {
  /** What the policy wrote up to the choice. */
  text: string;
  /** Log-prob of each choice at that place, in the order of `choices`; -Infinity when the endpoint does not list it. */
  logprobs: number[];
  /** The policy came to its choice by itself. False: the token limit or an open thought came first. Default true. */
  finished?: boolean;
}

export interface ChoiceScorer {
  /**
   * Rejects with code "INPUT" and details.noChoice when the output holds no place for a choice (an endpoint's reply
   * without any of them), and with code "CONFIG" when the endpoint gives no log-probs at all.
   */
  choose(context: Context, options: ChoiceOptions): Promise<ChoiceResult>;
}

export function scoresChoices(policy: Policy): policy is Policy & ChoiceScorer {
  return "choose" in policy && typeof policy.choose === "function";
}

/** The default of ChoiceOptions.find: after the last lead, or the last choice in the text where there is no lead. */
export function afterLead(text: string, lead: string, choices: readonly string[]): number | undefined {
  const led = text.lastIndexOf(lead);
  const places = choices
    .map((choice) => (led < 0 ? text.lastIndexOf(choice) : text.indexOf(choice, led + lead.length)))
    .filter((place) => place >= 0);
  if (places.length === 0) return undefined;
  return led < 0 ? Math.max(...places) : Math.min(...places);
}
