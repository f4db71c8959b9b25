/**
 * Calls a policy, which may be the user's own. Every context and action that the stages use comes through here.
 *
 * Anything that a policy throws, other than a SwirlError, becomes an ENDPOINT error that names the method: it ends one
 * trajectory or fails one verdict. Return values are checked; a wrong shape would be wrong for every trajectory, so it
 * is a CONFIG error.
 */

import { inspect } from "node:util";
import { throwIfAborted } from "../async/map-concurrent.js";
import { untilAborted } from "../async/until-aborted.js";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import { redactText } from "../secrets/redact.js";
import type { Action, Context, Policy, SamplingOptions } from "./policy.js";

const FINISH_REASONS: readonly Action["finishReason"][] = ["stop", "eos", "length"];

/** `policy.begin`. @throws SwirlError ENDPOINT when it throws, CONFIG when it returns no context. */
export function beginContext(
  policy: Policy,
  messages: readonly Message[],
  tools?: readonly ToolSpec[],
): Context {
  return contextOf(policy, "begin", () => policy.begin(messages, tools));
}

/** `policy.extend`, with the errors of {@link beginContext}. */
export function extendContext(
  policy: Policy,
  context: Context,
  { action, observation, shown }: { action: Action; observation: Message; shown: string | undefined },
): Context {
  return contextOf(policy, "extend", () => policy.extend(context, action, observation, shown));
}

function contextOf(policy: Policy, method: string, call: () => unknown): Context {
  let context: unknown;
  try {
    context = call();
  } catch (error) {
    throw ofPolicy(policy, method, error);
  }
  const { messages, tokens } = (context ?? {}) as Partial<Context>;
  const whole = Array.isArray(messages) && (tokens === undefined || isIds(tokens));
  if (!whole || (policy.exact === true && tokens === undefined)) {
    const wanted = policy.exact === true ? "{ messages, tokens: Int32Array }" : "{ messages }";
    throw wrongShape(policy, method, context, `return ${wanted}; contexts of an exact policy carry tokens`);
  }
  return context as Context;
}

/**
 * `policy.act`: at least one action, each with text and a known finish reason, and of an exact policy with tokens and a
 * finite log-prob for each.
 *
 * @throws SwirlError ABORTED as soon as the signal fires, even when the policy ignores it; ENDPOINT when it throws, or
 * when an action may be unfinished; CONFIG when it returns no actions; NUMERICS for a log-prob that is not finite.
 */
export async function sampleActions(
  policy: Policy,
  context: Context,
  options: SamplingOptions,
): Promise<Action[]> {
  const { signal } = options;
  let actions: unknown;
  try {
    actions = await untilAborted(Promise.resolve(policy.act(context, options)), signal);
  } catch (error) {
    throwIfAborted(signal);
    throw ofPolicy(policy, "act", error);
  }
  if (!Array.isArray(actions) || actions.length === 0 || !actions.every(isAction)) {
    throw wrongShape(
      policy,
      "act",
      actions,
      'resolve to a list of actions: [{ text: "…", finishReason: "stop" }]',
    );
  }
  for (const action of actions as Action[]) check(policy, action);
  return actions as Action[];
}

/**
 * `policy.update` of a policy that may be the user's own.
 *
 * @throws SwirlError ENDPOINT when it throws anything other than a SwirlError; CONFIG when it returns no metrics.
 */
export async function updatePolicy<Metrics extends { tokens: number; treeTokens: number }>(
  policy: Pick<Policy, "id">,
  update: () => Promise<Metrics>,
): Promise<Metrics> {
  let metrics: Metrics;
  try {
    metrics = await update();
  } catch (error) {
    throw ofPolicy(policy, "update", error);
  }
  if (!Number.isFinite(metrics?.tokens) || !Number.isFinite(metrics.treeTokens)) {
    throw wrongShape(policy, "update", metrics, "resolve to the metrics of the update");
  }
  return metrics;
}

function isAction(value: unknown): boolean {
  const { text, toolCalls } = (value ?? {}) as Partial<Action>;
  const calls: unknown = toolCalls ?? [];
  return typeof text === "string" && Array.isArray(calls) && calls.every(isCall);
}

function isCall(value: unknown): boolean {
  const { name, input, id } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof name === "string" && typeof input === "string" && (id === undefined || typeof id === "string")
  );
}

function isIds(value: unknown): boolean {
  return value instanceof Int32Array || (Array.isArray(value) && value.every(Number.isInteger));
}

function check(policy: Policy, action: Action): void {
  if (!FINISH_REASONS.includes(action.finishReason)) {
    const said = JSON.stringify(action.finishReason) ?? "missing";
    throw new SwirlError(
      "ENDPOINT",
      `policy ${policy.id}: finishReason is ${said}: the action may be unfinished`,
      {
        remedy: `finishReason must be ${FINISH_REASONS.join(", ")}; act() must reject when the action is incomplete`,
      },
    );
  }
  const { tokens, logprobs } = action;
  const given = tokens !== undefined || logprobs !== undefined || policy.exact === true;
  const isWhole =
    isIds(tokens) &&
    (logprobs instanceof Float32Array || Array.isArray(logprobs)) &&
    logprobs.length === tokens!.length;
  if (given && !isWhole) {
    throw wrongShape(policy, "act", action, "give every action its tokens and as many log-probs, or neither");
  }
  const bad = logprobs?.findIndex((logprob) => !Number.isFinite(logprob)) ?? -1;
  if (bad >= 0) {
    throw new SwirlError(
      "NUMERICS",
      `policy ${policy.id}: the log-prob of sampled token ${bad} is ${logprobs![bad]}`,
      { remedy: "its weights hold NaN or Inf: load an earlier checkpoint" },
    );
  }
}

function ofPolicy(policy: Pick<Policy, "id">, method: string, error: unknown): SwirlError {
  if (SwirlError.isInstance(error)) return error;
  return new SwirlError(
    "ENDPOINT",
    `policy ${policy.id}: ${method}() failed: ${redactText(messageOf(error))}`,
    {
      details: { field: `policy.${method}` },
      cause: error,
    },
  );
}

function wrongShape(policy: Pick<Policy, "id">, method: string, value: unknown, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `policy ${policy.id}: ${method}() returned ${shown(value)}`, {
    remedy: `${method}() must ${remedy}`,
    details: { field: "policy" },
  });
}

function shown(value: unknown): string {
  try {
    return redactText(inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY })).slice(0, 200);
  } catch {
    return typeof value;
  }
}
