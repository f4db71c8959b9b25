/**
 * A policy behind an OpenAI-compatible chat.completions endpoint (llama.cpp, vLLM, SGLang, a hosted model).
 *
 * Guarantees: a call returns all actions asked for, or rejects with code ENDPOINT or ABORTED. At most `concurrency`
 * requests are in flight. The API key and header values appear in no message, record or inspection.
 * Contexts carry messages, not tokens: this policy samples and judges but cannot be trained.
 */

import { isLimitReached } from "../endpoint/endpoint-errors.js";
import {
  type EndpointOptions,
  endpointOptionsSchema,
  type ResolvedEndpointOptions,
} from "../endpoint/endpoint-options.js";
import { checkedMethods, ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import { parseOptions } from "../options/parse-options.js";
import type { ChoiceOptions, ChoiceResult, ChoiceScorer } from "./choice-scorer.js";
import { choiceOfReply } from "./endpoint-choice.js";
import { isLimitTooSmall, servedContextLength } from "./endpoint-probe.js";
import { actionOf, stoppedInThought } from "./endpoint-reply.js";
import { requestMessages, requestSeed, requestTools, withReply } from "./endpoint-request.js";
import { EndpointRequests, type EndpointStats } from "./endpoint-requests.js";
import type { Action, Context, Policy, SamplingOptions } from "./policy.js";
import type { ReplyChoice } from "./read-reply.js";
import { samplingSchema } from "./sampling.js";

/** `stopSent`: whether the stop strings were part of the request. */
type Choice = ReplyChoice & { stopSent: boolean };

/** Options of {@link EndpointPolicy.connect}. */
export interface ConnectOptions extends EndpointOptions {
  /** Ends the connecting with code ABORTED. */
  signal?: AbortSignal;
  /**
   * Called once per parameter that the server refuses and that is left out from then on.
   * @default a warning of the process
   */
  onNote?: (note: string) => void;
}

/** Most servers refuse to list more alternatives. */
const TOP_LOGPROBS = 20;

/**
 * A policy behind an OpenAI-compatible chat.completions endpoint: llama.cpp, vLLM, SGLang or a hosted model.
 *
 * @example
 * await using policy = await EndpointPolicy.connect({ baseURL: "http://127.0.0.1:8000/v1", model: "qwen" });
 * const [action] = await policy.act(policy.begin([{ role: "user", content: "What is 3 + 4?" }]));
 */
export class EndpointPolicy implements Policy, ChoiceScorer {
  /** Names host and model, without credentials. */
  readonly id: string;
  /** Always false: contexts and actions have no tokens. */
  readonly exact = false;
  /** Counts since the policy was connected. */
  readonly stats: EndpointStats;

  readonly #options: ResolvedEndpointOptions;
  readonly #requests: EndpointRequests;
  #contextLength: number;
  /** The server answers one choice whatever `n` says (llama.cpp): ask n times. */
  #ignoresN = false;

  private constructor(options: ResolvedEndpointOptions, onNote: (note: string) => void) {
    this.#requests = new EndpointRequests(options, onNote);
    this.stats = this.#requests.stats;
    const { id, official } = this.#requests.endpoint;
    this.id = id;
    this.#options = {
      ...options,
      maxTokensField: options.maxTokensField ?? (official ? "max_completion_tokens" : "max_tokens"),
    };
    this.#contextLength = options.contextLength ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Connects to a server, and by default probes it.
   *
   * @throws SwirlError CONFIG for bad options, ENDPOINT when the server does not answer as it should, ABORTED.
   */
  static async connect(options: ConnectOptions): Promise<EndpointPolicy> {
    return await ofArgumentsAsync("Policy.connect", "{ baseURL, model, … }", async () => {
      const { signal, onNote = (note) => process.emitWarning(note, "SwirlWarning"), ...rest } = options;
      const policy = new EndpointPolicy(parseOptions(endpointOptionsSchema, rest, "Policy.connect"), onNote);
      if (policy.#options.probe) await policy.probe(signal === undefined ? {} : { signal });
      return policy;
    });
  }

  /** Maximum tokens of a context and its action; Infinity when the server reports none. */
  get contextLength(): number {
    return this.#contextLength;
  }

  /**
   * Asks for two replies of one token each. It shows that URL, key and model are right, whether the server honors `n`,
   * and the context length if the server reports it. If one token is too few for the server, it asks for more. Gives up
   * after two retries.
   *
   * @throws SwirlError ENDPOINT, ABORTED.
   */
  async probe({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const limits = [...new Set([1, 16, this.#options.maxNewTokens])];
    for (const [i, limit] of limits.entries()) {
      const outcome = await this.#probeWith(limit, signal);
      if (outcome === "answered") break;
      if (i === limits.length - 1) throw outcome;
    }
    if (this.#options.contextLength === undefined) {
      const { model, timeoutMs } = this.#options;
      const limit = AbortSignal.any([
        this.#requests.joined(signal),
        AbortSignal.timeout(Math.min(5_000, timeoutMs)),
      ]);
      this.#contextLength =
        (await servedContextLength(this.#requests.endpoint, model, limit)) ?? Number.POSITIVE_INFINITY;
    }
  }

  /** Resolves to the server's error if it calls the limit too small; rejects with any other error. */
  async #probeWith(limit: number, signal?: AbortSignal): Promise<"answered" | SwirlError> {
    const body = {
      messages: [{ role: "user", content: "Say OK." }],
      [this.#options.maxTokensField!]: limit,
    };
    const maxRetries = Math.min(2, this.#options.maxRetries);
    let honorsN = true;
    for (;;) {
      try {
        const reply = await this.#requests.send(
          { ...body, ...(honorsN ? { n: 2 } : {}) },
          signal,
          maxRetries,
        );
        this.#ignoresN = reply.choices.length < 2;
        return "answered";
      } catch (error) {
        if (!SwirlError.isInstance(error)) throw error;
        const { status } = error.details;
        // A reasoning model that ran out of tokens has answered: URL, key and model are right.
        if (status === 400 && isLimitReached(error.message)) return "answered";
        if (status === 400 && isLimitTooSmall(error.message)) return error;
        // Servers that refuse n > 1 answer 400 or 422; any other error would only be repeated.
        if (!honorsN || (status !== 400 && status !== 422)) throw error;
        honorsN = false;
      }
    }
  }

  /** The context of a new conversation: messages without tokens. */
  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    return { messages: [...messages], ...(tools && tools.length > 0 ? { tools: [...tools] } : {}) };
  }

  /**
   * Samples `n` actions. A server that answers one at a time is asked n times, with a seed for each.
   *
   * @throws SwirlError CONFIG for bad options, ENDPOINT after the retries, ABORTED, DISPOSED.
   */
  async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
    const { n, signal, stop, ...sampling } = this.#sampling(options);
    const choices = await this.#choices(this.#body(context, sampling, stop), {
      n,
      seed: sampling.seed,
      signal,
    });
    return await Promise.all(
      choices.map(async (choice, first) => {
        if (!choice.stopSent || !stoppedInThought(choice, stop))
          return actionOf(choice, stop, choice.stopSent);
        // The server does not know about thoughts: sample the same action without stop strings, and truncate it here.
        const body = this.#body(context, sampling, []);
        const [whole] = await this.#choices(body, { n: 1, seed: sampling.seed, signal, first });
        return actionOf(whole!, stop, false);
      }),
    );
  }

  /** The next context: this one, the action, and the environment's reply. */
  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    return { ...context, messages: withReply(context.messages, action, observation, shown) };
  }

  /**
   * Rates the choices from the log-probs that the server lists (`top_logprobs`).
   *
   * @throws SwirlError INPUT with details.noChoice for a reply without a choice, CONFIG when the server returns no
   * log-probs, ENDPOINT after the retries, ABORTED, DISPOSED.
   */
  async choose(context: Context, options: ChoiceOptions): Promise<ChoiceResult> {
    const { lead: _, choices: __, find: ___, ...rest } = options;
    const { signal, ...sampling } = this.#sampling(rest);
    const body = { ...this.#body(context, sampling, []), logprobs: true, top_logprobs: TOP_LOGPROBS };
    const [choice] = await this.#choices(body, { n: 1, seed: sampling.seed, signal });
    return choiceOfReply(choice!, options, {
      host: this.#requests.endpoint.host,
      model: this.#options.model,
    });
  }

  /** Aborts requests in flight. Later calls reject with code DISPOSED. Idempotent. */
  async dispose(): Promise<void> {
    this.#requests.close();
  }

  /** Same as {@link dispose}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #sampling(options: SamplingOptions) {
    const parsed = parseOptions(samplingSchema, options, "act");
    return { ...parsed, maxNewTokens: parsed.maxNewTokens ?? this.#options.maxNewTokens };
  }

  #body(
    context: Context,
    sampling: { maxNewTokens: number; temperature: number; topK: number; topP: number },
    stop: readonly string[],
  ): Record<string, unknown> {
    return {
      messages: requestMessages(context.messages),
      ...(context.tools ? { tools: requestTools(context.tools) } : {}),
      temperature: sampling.temperature,
      // Sent even when it is off: servers have defaults of their own (0.95 in llama.cpp).
      top_p: sampling.topP,
      // Not OpenAI's: sent only when set, because strict servers refuse unknown fields.
      ...(sampling.topK > 0 ? { top_k: sampling.topK } : {}),
      ...(stop.length > 0 ? { stop } : {}),
      [this.#options.maxTokensField!]: sampling.maxNewTokens,
    };
  }

  /** Exactly n choices, from one request, or from several with different seeds if the server returns fewer. */
  async #choices(
    body: Record<string, unknown>,
    {
      n,
      seed,
      signal,
      first = 0, // index of the first seed
    }: { n: number; seed: number | undefined; signal: AbortSignal | undefined; first?: number },
  ): Promise<Choice[]> {
    const ask = async (count: number, index: number) => {
      const seeded = seed === undefined ? {} : { seed: requestSeed(seed, index) };
      const reply = await this.#requests.send(
        { ...body, ...seeded, ...(count > 1 ? { n: count } : {}) },
        signal,
      );
      return reply.choices.slice(0, count).map((choice) => ({ ...choice, stopSent: reply.stopSent }));
    };
    if (n === 1) return await ask(1, first);
    const choices = this.#ignoresN ? [] : await ask(n, 0);
    if (choices.length < n) {
      this.#ignoresN = true;
      const missing = Array.from({ length: n - choices.length }, (_, j) => ask(1, choices.length + j));
      choices.push(...(await Promise.all(missing)).flat());
    }
    return choices;
  }
}

checkedMethods(EndpointPolicy, {
  probe: "{ signal }",
  begin: "(messages, tools)",
  act: "(context, options)",
  extend: "(context, action, observation, shown)",
  choose: "(context, { lead, choices, … })",
});
