/**
 * Policies turn a context into actions. The stages see the native model and an OpenAI-compatible endpoint through one
 * interface. Only the native model has tokens and can be trained.
 *
 * A Context is append-only and token-exact: the tokens that were sampled are the tokens that are scored and trained.
 */

import { z } from "zod";
import type { Message, ToolCall, ToolSpec } from "../messages/message.js";

/** A conversation up to the next action. Immutable: `begin` and `extend` return new contexts. */
export interface Context {
  /** The turns so far. */
  readonly messages: readonly Message[];
  /** Tools that the chat template or the endpoint shows to the model. */
  readonly tools?: readonly ToolSpec[];
  /** [tokens] Exact token ids, ending where the next action begins; absent for an endpoint. */
  readonly tokens?: Int32Array;
}

/** How `Policy.act` samples. */
export interface SamplingOptions {
  /** Actions to sample, at least 1. @default 1 */
  n?: number;
  /** Maximum tokens per action, at least 1. @default 512, or the endpoint's own option */
  maxNewTokens?: number;
  /** Logits are divided by it; at least 0, 0 = greedy. @default 1 */
  temperature?: number;
  /** Sample from the k most probable tokens; 0 = off. @default 0 */
  topK?: number;
  /** Sample from the most probable tokens that have this probability together; above 0, at most 1 = off. @default 1 */
  topP?: number;
  /** Strings that end an action. The first that appears is kept. @default [] */
  stop?: readonly string[];
  /** The same seed, context and weights give the same action, whatever else is in the batch. @default another one per call */
  seed?: number;
  /** Ends the call with code ABORTED. */
  signal?: AbortSignal;
}

/** One sampled action. */
export interface Action {
  /** The text, without the end-of-turn token. */
  text: string;
  /** Calls that the endpoint or the chat template parsed. The stages parse tags. */
  toolCalls?: ToolCall[];
  /** [tokens] Token ids exactly as sampled, with the end-of-turn token if it was sampled; absent for an endpoint. */
  tokens?: Int32Array;
  /** [tokens] Log-probs under the distribution that was sampled from, in nats; absent for an endpoint. */
  logprobs?: Float32Array;
  /** "stop": at a stop string. "eos": the model ended its turn. "length": at the token limit. */
  finishReason: "stop" | "eos" | "length";
}

/**
 * A model that acts. `Policy.load` returns the native one, `Policy.connect` one behind an endpoint.
 *
 * @example
 * const context = policy.begin([{ role: "user", content: "What is 3 + 4?" }]);
 * const [action] = await policy.act(context, { temperature: 0 });
 */
export interface Policy {
  /** Names the weights in records: a model path with a content hash, or endpoint#model. */
  readonly id: string;
  /** Whether contexts and actions carry tokens and log-probs. */
  readonly exact: boolean;
  /** Maximum tokens of a context and its action together; Infinity when an endpoint reports none. */
  readonly contextLength: number;
  /** The context of a new conversation. */
  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context;
  /** Samples `n` actions in this context. Concurrent calls are batched by the policy. */
  act(context: Context, options?: SamplingOptions): Promise<Action[]>;
  /**
   * The next context: this one, the action, and the environment's reply as the next turn.
   *
   * @param shown Replaces the action's text when chains of thought are stripped from later states.
   */
  extend(context: Context, action: Action, observation: Message, shown?: string): Context;
  /** Frees what the policy holds. Later calls reject with code DISPOSED. Idempotent. */
  dispose(): Promise<void>;
}

export const policySchema = z.custom<Policy>(
  (value) =>
    ["begin", "act", "extend"].every(
      (name) => typeof (value as Record<string, unknown> | null | undefined)?.[name] === "function",
    ),
  { message: "must be a Policy (Policy.load(dir) or an endpoint policy)" },
);
