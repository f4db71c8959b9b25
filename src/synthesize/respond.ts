/** The environment's half of a step: the reply to an action, from a tool or in place of one. */
import { messageOf } from "../errors/message-of.js";
import type { ToolCall } from "../messages/message.js";
import { redactText } from "../secrets/redact.js";
import type { AnyTool } from "../tools/tool.js";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import type { ParsedAction } from "./parse-action.js";
import { notices } from "./prompts.js";
import type { RolloutSetup } from "./rollout-setup.js";
import { type CallResult, runCall } from "./run-call.js";
import { truncate } from "./truncate.js";

/** The environment's reply to an action: an observation, or the end. */
export type Reply =
  | { observation: NonNullable<Step["observation"]>; end?: Trajectory["end"] }
  | { end: Trajectory["end"] };

/** The calls of a trajectory so far. */
export interface Calls {
  /** Calls used, those of malformed actions included. */
  used: number;
  /** Keys of the calls that were executed (`callKey`). */
  made: Set<string>;
  /** Whether the policy was told that no calls are left. */
  askedForAnswer: boolean;
}

/** Replies to an action that is not an answer. Each uses one call, and `calls` counts it. @throws SwirlError ABORTED. */
export async function respond(
  setup: RolloutSetup,
  parsed: Exclude<ParsedAction, { kind: "answer" }>,
  calls: Calls,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  const { task, format, callLimit, options } = setup;
  const notice = (text: string): Reply => ({ observation: { text, error: true, milliseconds: 0 } });
  if (parsed.kind === "malformed") {
    if (parsed.reason === "cut-off") return { end: "length" };
    if (options.malformed === "end") return { end: "malformed" };
  }
  if (calls.askedForAnswer) return { end: "limit" };
  if (calls.used >= callLimit) {
    if (options.atLimit === "end") return { end: "limit" };
    calls.askedForAnswer = true;
    return notice(notices.limit(format));
  }
  calls.used++;
  if (parsed.kind === "malformed")
    return notice(notices.malformed(parsed.message, format, callLimit - calls.used));

  const { name, input } = parsed.call;
  const key = callKey(parsed.call);
  if (calls.made.has(key)) {
    if (options.repeatedCall === "end") return { end: "malformed" };
    if (options.repeatedCall === "tell") return notice(notices.repeated(input));
  }
  calls.made.add(key);
  const tool = task.tools.find((candidate) => candidate.name === name)!;
  const result = await runCall(tool, input, { kind: format.kind, timeoutMs: options.toolTimeoutMs, signal });
  const observation = observationOf(tool, input, result, setup);
  return observation.error && options.toolError === "end"
    ? { observation, end: "tool-error" }
    : { observation };
}

/** What the model sees of a call's result. A `format` that fails makes the call a tool error. */
function observationOf(
  tool: AnyTool,
  input: string,
  { text, error, milliseconds }: CallResult,
  { format, options }: RolloutSetup,
): NonNullable<Step["observation"]> {
  const bounded = truncate(error ? `error: ${text}` : text, options.maxObservationChars);
  if (format.kind === "chat-template") return { text: bounded, error, milliseconds };
  if (!tool.format || error) return { text: `${input} -> ${bounded}`, error, milliseconds };
  try {
    const shown: unknown = tool.format(input, bounded);
    if (typeof shown !== "string") throw new Error(`format() of ${tool.name} returned ${typeof shown}`);
    return { text: shown, error, milliseconds };
  } catch (cause) {
    return { text: `${input} -> error: ${redactText(messageOf(cause))}`, error: true, milliseconds };
  }
}

/** Calls that differ only in case and spacing are the same. */
export function callKey({ name, input }: ToolCall): string {
  return JSON.stringify([name, input.trim().toLowerCase().replace(/\s+/g, " ")]);
}
