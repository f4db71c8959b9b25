/** The environment's half of a step: the reply to an action, from a tool or in place of one. */
import type { ToolCall } from "../messages/message.js";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import type { ParsedAction } from "./parse-action.js";
import { notices } from "./prompts.js";
import type { RolloutSetup } from "./rollout-setup.js";
import { runCall } from "./run-call.js";
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
  { task, format, callLimit, options }: RolloutSetup,
  parsed: Exclude<ParsedAction, { kind: "answer" }>,
  calls: Calls,
  signal: AbortSignal | undefined,
): Promise<Reply> {
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
  const text = truncate(result.error ? `error: ${result.text}` : result.text, options.maxObservationChars);
  const shown =
    format.kind === "chat-template"
      ? text
      : tool.format && !result.error
        ? tool.format(input, text)
        : `${input} -> ${text}`;
  const observation = { text: shown, error: result.error, milliseconds: result.milliseconds };
  return result.error && options.toolError === "end" ? { observation, end: "tool-error" } : { observation };
}

/** Calls that differ only in case and spacing are the same. */
export function callKey({ name, input }: ToolCall): string {
  return JSON.stringify([name, input.trim().toLowerCase().replace(/\s+/g, " ")]);
}
