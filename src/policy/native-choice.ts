/**
 * Probabilities of a few answers, from the native policy's own log-probs: it writes freely up to the lead, then each
 * choice is scored as a continuation. A reply that never comes to the lead gets it put at its end.
 */
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { ChoiceOptions, ChoiceResult } from "./choice-scorer.js";
import { joinTokens } from "./join-tokens.js";
import type { Action, Context, SamplingOptions } from "./policy.js";
import type { Sequence } from "./sequences.js";

interface Scorer {
  readonly tokenizer: Tokenizer;
  act(context: Context, options: SamplingOptions): Promise<Action[]>;
  logprobs(sequences: Sequence[], options: { signal?: AbortSignal }): Promise<Float32Array[]>;
}

export async function chooseNatively(
  policy: Scorer,
  context: Context,
  options: ChoiceOptions,
): Promise<ChoiceResult> {
  const { lead, choices, ...sampling } = options;
  const [action] = await policy.act(context, { ...sampling, n: 1, stop: [lead] });
  const { text: said, tokens: sampled } = action as Action & { tokens: Int32Array };
  const led = said.endsWith(lead);
  const text = led ? said : `${said.trimEnd()}\n${lead}`;
  // A token may reach past the lead; then the text, which does not, is encoded anew.
  const exact = led && policy.tokenizer.decode(sampled) === text;
  const written = exact ? sampled : policy.tokenizer.encode(text, { continues: true });
  const before = joinTokens(context.tokens!, written);
  const sequences = choices.map((choice) => ({
    tokens: joinTokens(before, policy.tokenizer.encode(` ${choice}`, { continues: true })),
    actionStart: before.length,
  }));
  const scored = await policy.logprobs(sequences, options.signal ? { signal: options.signal } : {});
  return { text, logprobs: scored.map((values) => values.reduce((sum, value) => sum + value, 0)) };
}
