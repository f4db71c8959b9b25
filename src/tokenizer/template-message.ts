/**
 * Messages as chat templates read them, every text marked with its author, and how they are found again in what the
 * template wrote.
 */
import type { Message, ToolCall } from "../messages/message.js";
import { sanitize } from "./control-tokens.js";
import { jsonToValue, markedText } from "./jinja/convert.js";
import { ASSISTANT, CONTENT, type Mark, marksOf, PROBE, type Str, slice, textOf } from "./jinja/text.js";
import { Dict } from "./jinja/values.js";

/** A message to render; `probe`: its text gets the mark that a probe is found by. */
export type Shown = Message & { probe?: true };

/** For templates without a system role, the system message is put at the beginning of the first user turn. */
export function foldSystem(messages: readonly Message[]): Message[] | undefined {
  const [system, user, ...rest] = messages;
  if (system?.role !== "system" || user?.role !== "user") return undefined;
  return [{ ...user, content: `${system.content}\n\n${user.content}` }, ...rest];
}

/** A message as templates expect it. What it holds is marked with who wrote it; its role is ours. */
export function toMessage(message: Shown): Dict {
  const mark = message.probe ? PROBE : message.role === "assistant" ? ASSISTANT : CONTENT;
  const out = new Dict();
  out.set("role", message.role);
  out.set("content", markedText(message.content, mark));
  if (message.toolCalls?.length) {
    const callMark = message.probe ? PROBE : CONTENT;
    out.set(
      "tool_calls",
      message.toolCalls.map((call) => toCall(call, callMark)),
    );
  }
  if (message.toolCallId !== undefined) out.set("tool_call_id", markedText(message.toolCallId, CONTENT));
  return out;
}

function toCall(call: ToolCall, mark: Mark): Dict {
  const made = new Dict();
  made.set("name", markedText(call.name, mark));
  // Templates write a call's arguments as an object where they are one.
  const given = jsonToValue(call.input, mark);
  made.set("arguments", given instanceof Dict || Array.isArray(given) ? given : markedText(call.input, mark));
  const out = new Dict();
  if (call.id !== undefined) out.set("id", markedText(call.id, CONTENT));
  out.set("type", "function");
  out.set("function", made);
  return out;
}

/** What follows the probe; undefined when the template left it out. */
export function afterProbe(rendered: Str): Str | undefined {
  const at = marksOf(rendered).lastIndexOf(PROBE);
  return at < 0 ? undefined : slice(rendered, at + 1);
}

/**
 * Whether what was rendered shows all of a message's content: its visible ASCII characters in order among those that
 * are marked as content. White space may be trimmed, and JSON may escape the rest.
 */
export function shows(rendered: Str, content: string): boolean {
  const marks = marksOf(rendered);
  const shown = textOf(rendered)
    .replace(/./gs, (unit, at: number) => (marks[at] === CONTENT ? unit : ""))
    .toLowerCase();
  if (content.trim() === "") return true;
  if (shown === "") return false;
  let from = 0;
  for (const character of sanitize(content).toLowerCase()) {
    if (character <= " " || character > "~") continue;
    from = shown.indexOf(character, from) + 1;
    if (from === 0) return false;
  }
  return true;
}
