/**
 * A policy that can say how probable each of a few answers is at one place of its output, such as GOOD or BAD after
 * "Verdict:". A native policy computes it from its log-probs; an endpoint reads its top_logprobs.
 */
import { ofArguments } from "../errors/arguments.js";
import type { Context, Policy, SamplingOptions } from "./policy.js";

/** Options of {@link ChoiceScorer.choose}. */
export interface ChoiceOptions extends Omit<SamplingOptions, "n" | "stop"> {
  /** The words that precede the choice ("Verdict:"). The policy writes freely up to them, as reasoning. */
  lead: string;
  /** The words to choose from: at least two, none a prefix of another, without surrounding blanks. */
  choices: readonly string[];
  /**
   * Position of the chosen word in a text; undefined when the text chooses none. It tells the policy's own lead
   * from one that it only considers or quotes.
   * @default after the last lead
   */
  find?: (text: string) => number | undefined;
}

/** What {@link ChoiceScorer.choose} found. */
export interface ChoiceResult {
  /** What the policy wrote up to the choice. */
  text: string;
  /** [choices] Log-prob of each choice at that place, in nats; -Infinity when the endpoint does not list it. */
  logprobs: number[];
  /** false: the token limit came before the choice, or the policy was still thinking. @default true */
  finished?: boolean;
}

/** A policy that can rate a few answers at one place of its output. Test for it with {@link scoresChoices}. */
export interface ChoiceScorer {
  /**
   * Writes up to the choice, then rates each of the choices.
   *
   * @throws SwirlError INPUT with details.noChoice when the output has no place for a choice, such as an endpoint's reply
   * without any of them; CONFIG when the endpoint returns no log-probs.
   * @example
   * const { logprobs } = await policy.choose(context, { lead: "Verdict:", choices: ["GOOD", "BAD"] });
   */
  choose(context: Context, options: ChoiceOptions): Promise<ChoiceResult>;
}

/** Whether a policy can rate choices: judges need it for `mode: "logprobs"`. */
export function scoresChoices(policy: Policy): policy is Policy & ChoiceScorer {
  return ofArguments("scoresChoices", "a policy", () => {
    return "choose" in policy && typeof policy.choose === "function";
  });
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
