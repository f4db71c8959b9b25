/**
 * Policy: what turns a context into actions. The native model and an OpenAI-compatible endpoint are one interface
 * to the stages; only the native one has tokens and can be trained.
 *
 * A Context is append-only and token-exact: the tokens that were sampled are the tokens that are scored and trained.
 */

import { z } from "zod";
import type { Message, ToolCall, ToolSpec } from "../messages/message.js";

export interface Context {
  readonly messages: readonly Message[];
  readonly tools?: readonly ToolSpec[];
  /** Exact token ids ending where the next action begins; absent for an endpoint. */
  readonly tokens?: Int32Array;
}

export interface SamplingOptions {
  n?: number; // default 1
  maxNewTokens?: number;
  temperature?: number; // default 1; 0 = greedy
  topK?: number; // default 0 = off
  topP?: number; // default 1
  stop?: readonly string[]; // strings; the action ends after the first that appears, which is kept
  /** Same seed, same context, same weights: same action, whatever else is in the batch. */
  seed?: number;
  signal?: AbortSignal;
}

/** One sampled action. */
export interface Action {
  text: string; // without the end-of-turn token
  toolCalls?: ToolCall[]; // as parsed by an endpoint or a chat template; tags are parsed by the stages
  tokens?: Int32Array; // exactly as sampled, end-of-turn token included when it was sampled
  logprobs?: Float32Array; // of the distribution sampled from
  finishReason: "stop" | "eos" | "length";
}

export interface Policy {
  /** Names the weights in records: a model path with a content hash, or endpoint#model. */
  readonly id: string;
  /** Whether contexts and actions carry tokens and log-probs. */
  readonly exact: boolean;
  readonly contextLength: number;
  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context;
  /** Samples `n` actions in this context. Concurrent calls are batched by the policy. */
  act(context: Context, options?: SamplingOptions): Promise<Action[]>;
  /**
   * The next context: this one, the action, and the environment's reply as the following turn.
   * `shown` replaces the action's text when earlier chains of thought are stripped from states.
   */
  extend(context: Context, action: Action, observation: Message, shown?: string): Context;
  dispose(): Promise<void>;
}

export const policySchema = z.custom<Policy>(
  (value) =>
    ["begin", "act", "extend"].every(
      (name) => typeof (value as Record<string, unknown> | null | undefined)?.[name] === "function",
    ),
  { message: "must be a Policy (Policy.load(dir) or an endpoint policy)" },
);
