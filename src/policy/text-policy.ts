/**
 * Contexts and actions of a policy over token ids: the chat template around whatever samples them, the native engine or
 * servers. What was sampled stays as token ids; nothing is decoded and encoded again.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import { maskThoughts, thoughtSpans } from "../messages/thought.js";
import type { NativeCompletion, NativeGenerateOptions, NativePrompt } from "../native/addon.js";
import { deriveSeed } from "../random/derive-seed.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { joinTokens } from "./join-tokens.js";
import { opensThought } from "./opens-thought.js";
import { pastThought } from "./past-thought.js";
import type { Action, Context } from "./policy.js";
import type { samplingSchema } from "./sampling.js";

/** Tokens an action may have when the caller does not say. */
const MAX_NEW_TOKENS = 512;

type Sampling = Omit<z.output<typeof samplingSchema>, "signal">;

/** What a policy over token ids is made of. */
export interface TextPolicyParts {
  /** The model's folder, for errors. */
  folder: string;
  /** Undefined for a folder without tokenizer.json. */
  tokenizer: Tokenizer | undefined;
  /** Tokens that end a turn where there is no tokenizer to say. */
  eosTokens: readonly number[];
  /** Maximum tokens of a context and its action together. */
  contextLength(): number;
  /** `options.n` completions of the prompt, which is that of `context`, with what was sampled in it so far. */
  sample(
    prompt: NativePrompt,
    options: NativeGenerateOptions,
    call: { context: Context; signal: AbortSignal | undefined },
  ): Promise<NativeCompletion[]>;
  /** Called before the first completion with stop strings. */
  prepareStops?(tokenizer: Tokenizer): void;
}

export class TextPolicy {
  /** Tokens that end a turn. */
  readonly stopTokens: Int32Array;

  readonly #parts: TextPolicyParts;
  #stopsPrepared = false;

  constructor(parts: TextPolicyParts) {
    this.#parts = parts;
    this.stopTokens = Int32Array.from(parts.tokenizer?.eosTokens ?? parts.eosTokens);
  }

  /** Throws CHECKPOINT for a folder that has none. */
  get tokenizer(): Tokenizer {
    const { tokenizer, folder } = this.#parts;
    if (tokenizer) return tokenizer;
    const file = join(folder, "tokenizer.json");
    throw new SwirlError(
      "CHECKPOINT",
      `${file} is missing, so this policy works with tokens but not with text`,
      {
        remedy: "put the model's tokenizer.json and tokenizer_config.json into its folder",
        details: { file },
      },
    );
  }

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    return {
      messages: [...messages],
      ...(tools && tools.length > 0 ? { tools: [...tools] } : {}),
      tokens: this.tokenizer.chat.renderPrompt(messages, tools),
    };
  }

  async act(context: Context, sampling: Sampling, signal: AbortSignal | undefined): Promise<Action[]> {
    const tokens = contextTokens(context);
    const maxPositions = this.#parts.contextLength();
    const left = maxPositions - tokens.length;
    if (left < 1) {
      throw new SwirlError(
        "INPUT",
        `the context has ${tokens.length} tokens, all that fit into ${maxPositions}`,
        {
          remedy: "end the trajectory before its context is full, or strip earlier thoughts from its states",
          details: { field: "context.tokens" },
        },
      );
    }
    const maxNewTokens = Math.min(sampling.maxNewTokens ?? MAX_NEW_TOKENS, left);
    const native = this.nativeSampling(sampling, this.stopTokens);
    const prompt = toPrompt(tokens, maxNewTokens, sampling.seed);
    const opened = opensThought(this, context);
    const completions = await this.#parts.sample(prompt, native, { context, signal });
    const wholes = completions.map((first, index) =>
      pastThought(first, {
        maxNewTokens,
        inThought: (sampled) => thoughtSpans(this.tokenizer.decode(sampled), opened).unclosed,
        sample: async (sampled, room) => {
          const seed =
            sampling.seed === undefined ? undefined : deriveSeed(sampling.seed, index, sampled.length);
          const next = toPrompt(joinTokens(tokens, sampled), room, seed);
          return (await this.#parts.sample(next, { ...native, n: 1 }, { context, signal }))[0]!;
        },
      }),
    );
    return (await Promise.all(wholes)).map(({ tokens: sampled, logprobs, finishReason }) => ({
      text: this.#actionText(sampled, sampling.stop, opened),
      tokens: sampled,
      logprobs,
      finishReason,
    }));
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    const { chat } = this.tokenizer;
    const content = shown ?? action.text;
    const calls = action.toolCalls?.length ? { toolCalls: action.toolCalls } : {};
    const written =
      shown === undefined && action.tokens ? action.tokens : chat.renderAction({ content, ...calls });
    const turn = chat.renderTurn(observation, written.at(-1), context.tools);
    return {
      ...context,
      messages: [...context.messages, { role: "assistant", content, ...calls }, observation],
      tokens: joinTokens(contextTokens(context), written, turn),
    };
  }

  nativeSampling(
    sampling: Pick<Sampling, "n" | "temperature" | "topK" | "topP" | "stop">,
    stopTokens: Int32Array,
  ): NativeGenerateOptions {
    const { stop, n, temperature, topK, topP } = sampling;
    if (stop.length > 0 && !this.#stopsPrepared) {
      this.#parts.prepareStops?.(this.tokenizer);
      this.#stopsPrepared = true;
    }
    return { n, temperature, topK, topP, stopTokens, stopStrings: [...stop] };
  }

  /** The text without the token that ended the turn, and without what the last token has past a stop string. */
  #actionText(sampled: Int32Array, stops: readonly string[], opened: boolean): string {
    const last = sampled.at(-1);
    const ended = last !== undefined && this.stopTokens.includes(last);
    const text = this.tokenizer.decode(ended ? sampled.subarray(0, -1) : sampled);
    const said = maskThoughts(text, opened).text;
    const ends = stops
      .map((stop) => said.indexOf(stop) + stop.length)
      .filter((end, i) => end >= stops[i]!.length);
    return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
  }
}

export function toPrompt(
  tokens: Int32Array,
  maxNewTokens: number,
  seed: number | bigint | undefined,
): NativePrompt {
  return {
    tokens,
    maxNewTokens,
    seed: seed === undefined ? randomBytes(8).readBigUInt64LE() : BigInt.asUintN(64, BigInt(seed)),
  };
}

function contextTokens(context: Context): Int32Array {
  if (context.tokens) return context.tokens;
  throw new SwirlError("INPUT", "the context carries no tokens: it was begun by another policy", {
    remedy: "begin it with this policy",
    details: { field: "context.tokens" },
  });
}
