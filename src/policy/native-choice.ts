/**
 * Probabilities of a few answers, from the native policy's own log-probs: it writes freely up to the lead, then each
 * choice is scored as a continuation. A reply that ends without the lead gets it appended; `finished` says whether it
 * ended by itself, outside of any thought.
 */
import { maskThoughts } from "../messages/thought.js";
import { deriveSeed } from "../random/derive-seed.js";
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
  const { lead, choices, find, ...sampling } = options;
  const isPlace = (text: string) =>
    choices.some((choice) => find === undefined || find(`${text} ${choice}`) === text.length + 1);
  const { said, sampled, led, ended } = await writeUpTo(policy, context, lead, isPlace, sampling);
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
  return {
    text,
    logprobs: scored.map((values) => values.reduce((sum, value) => sum + value, 0)),
    finished: led || (ended && /\S/.test(maskThoughts(said).text) && isPlace(text)),
  };
}

/** Samples up to the first lead that is a place to choose, and continues past those that are not. */
async function writeUpTo(
  policy: Scorer,
  context: Context,
  lead: string,
  isPlace: (text: string) => boolean,
  sampling: Omit<SamplingOptions, "n" | "stop">,
): Promise<{ said: string; sampled: Int32Array; led: boolean; ended: boolean }> {
  const { maxNewTokens, seed } = sampling;
  let sampled: Int32Array = new Int32Array();
  for (let round = 0; ; round++) {
    const [action] = await policy.act(
      { ...context, tokens: joinTokens(context.tokens!, sampled) },
      {
        ...sampling,
        ...(maxNewTokens === undefined ? {} : { maxNewTokens: maxNewTokens - sampled.length }),
        ...(seed === undefined || round === 0 ? {} : { seed: deriveSeed(seed, round) }),
        n: 1,
        stop: [lead],
      },
    );
    const { text, tokens, finishReason } = action as Action & { tokens: Int32Array };
    const earlier = round === 0 ? "" : policy.tokenizer.decode(sampled);
    const said = earlier + text;
    const stopped = said.endsWith(lead);
    sampled = joinTokens(sampled, tokens);
    if (stopped && isPlace(said)) return { said, sampled, led: true, ended: true };
    const spent = maxNewTokens !== undefined && sampled.length >= maxNewTokens;
    if (!stopped || spent) return { said, sampled, led: false, ended: finishReason === "eos" };
  }
}
