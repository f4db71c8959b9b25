/** Converts contexts to chat.completions requests. Pure. */
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import type { Action } from "./policy.js";

export function requestMessages(messages: readonly Message[]): Record<string, unknown>[] {
  return messages.map((message, i) => {
    if (message.role === "tool") {
      if (message.toolCallId === undefined) {
        throw new SwirlError("INPUT", `messages[${i}] has role "tool" and no toolCallId`, {
          remedy: "give the id of the call it answers, or send the observation as a user message",
          details: { field: `messages[${i}].toolCallId` },
        });
      }
      return { role: "tool", content: message.content, tool_call_id: message.toolCallId };
    }
    if (message.role !== "assistant" || !message.toolCalls?.length)
      return { role: message.role, content: message.content };
    const calls = message.toolCalls.map((call, j) => ({
      id: call.id ?? `call_${i}_${j}`,
      type: "function",
      function: { name: call.name, arguments: call.input },
    }));
    return { role: "assistant", content: message.content, tool_calls: calls };
  });
}

export function requestTools(tools: readonly ToolSpec[]): Record<string, unknown>[] {
  return tools.map((tool) => ({ type: "function", function: { ...tool } }));
}

/**
 * Appends the action and the environment's reply. Endpoints reject a tool call that no tool message answers, so only
 * the answered call (the first one) is kept. If the observation is a user turn, an action without text becomes the call
 * as JSON.
 */
export function withReply(
  messages: readonly Message[],
  action: Action,
  observation: Message,
  shown?: string,
): Message[] {
  const content = shown ?? action.text;
  const call = action.toolCalls?.[0];
  if (call === undefined) return [...messages, { role: "assistant", content }, observation];
  if (observation.role !== "tool") {
    const spelled =
      content.trim() === "" ? JSON.stringify({ name: call.name, arguments: call.input }) : content;
    return [...messages, { role: "assistant", content: spelled }, observation];
  }
  const id = observation.toolCallId ?? call.id ?? `call_${messages.length}`;
  const answered = action.toolCalls!.find((candidate) => candidate.id === id) ?? call;
  return [
    ...messages,
    { role: "assistant", content, toolCalls: [{ ...answered, id }] },
    { ...observation, toolCallId: id },
  ];
}

/** Seed of the index-th choice of one request: the caller's own for the first; 31 bits, which every server takes. */
export function requestSeed(seed: number, index: number): number {
  const folded = Math.abs(seed % 2147483648);
  return (folded + Math.imul(index, 0x9e3779b1)) & 0x7fffffff;
}
