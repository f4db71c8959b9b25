/**
 * The next state: context, action and observation, and the tokens that the record keeps and appends to rebuild it
 * exactly. An observation longer than the token limit is truncated here, where its tokens can be counted.
 */

import type { Message } from "../messages/message.js";
import { extendContext } from "../policy/ask-policy.js";
import type { Action, Context } from "../policy/policy.js";
import type { Step } from "../trajectory/trajectory.js";
import type { ParsedAction } from "./parse-action.js";
import type { RolloutSetup } from "./rollout-setup.js";
import { truncate } from "./truncate.js";

export interface NextTurn {
  context: Context;
  turn: { keep: number; append: number[] };
}

/** Sets `step.shown` where thoughts are stripped, and shortens `step.observation` where it is too long. */
export function nextTurn(
  { policy, format, options }: RolloutSetup,
  context: Context,
  action: Action,
  parsed: ParsedAction,
  step: Step,
): NextTurn {
  const shown = options.keepThoughts || parsed.kind === "malformed" ? undefined : parsed.shown;
  if (shown !== undefined && shown !== parsed.text) step.shown = shown;
  // Calls that an endpoint reports apart from the text are sent back that way: in the text they would appear twice.
  const isReported = !policy.exact && (action.toolCalls?.length ?? 0) > 0;
  const said: Action = isReported ? action : { ...action, text: parsed.text };
  const replacement = step.shown !== undefined && isReported ? "" : step.shown;
  const toTool = format.kind === "chat-template" && parsed.kind === "call" && (policy.exact || isReported);
  const id = action.toolCalls?.[0]?.id;
  const observation = step.observation!;
  const extend = (content: string): Context => {
    const reply: Message = toTool
      ? { role: "tool", content, ...(id !== undefined && { toolCallId: id }) }
      : { role: "user", content };
    return extendContext(policy, context, { action: said, observation: reply, shown: replacement });
  };
  let next = extend(observation.text);
  const limit = options.maxObservationTokens;
  if (limit !== undefined) {
    const before = context.tokens!.length + (step.shown === undefined ? step.action.length : 0);
    let text = observation.text;
    while (next.tokens!.length - before > limit && text.length > 16) {
      const ratio = limit / (next.tokens!.length - before);
      text = truncate(
        observation.text,
        Math.max(16, Math.min(text.length - 1, Math.floor(text.length * ratio))),
      );
      next = extend(text);
    }
    observation.text = text;
  }
  return { context: next, turn: difference(context, action, next, step.shown !== undefined) };
}

/** keep: length of the prefix that the next state shares with state ++ action (with the state alone when stripped). */
function difference(context: Context, action: Action, next: Context, stripped: boolean): NextTurn["turn"] {
  const state = context.tokens;
  const after = next.tokens;
  if (!state || !after) return { keep: 0, append: [] };
  const tail = stripped ? new Int32Array(0) : (action.tokens ?? new Int32Array(0));
  let keep = 0;
  const whole = Math.min(state.length + tail.length, after.length);
  while (keep < whole && (keep < state.length ? state[keep] : tail[keep - state.length]) === after[keep])
    keep++;
  return { keep, append: Array.from(after.subarray(keep)) };
}
