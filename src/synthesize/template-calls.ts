/**
 * Finds the tool calls that chat templates teach models to write as text:
 *   Qwen 2.5/3, Hermes, SmolLM    <tool_call>{"name": …, "arguments": {…}}</tool_call>
 *   Mistral                       [TOOL_CALLS] [{"name": …, "arguments": {…}}]
 *   Llama 3.x                     {"name": …, "parameters": {…}}   as the whole response, <|python_tag|> before it or not
 */
import type { ToolCall } from "../messages/message.js";

/** The calls in the order written, none when the text makes none, undefined when a call's JSON cannot be read. */
export function templateCalls(text: string): ToolCall[] | undefined {
  if (text.includes("<tool_call>")) {
    const bodies = [...text.matchAll(/<tool_call>(.*?)(<\/tool_call>|$)/gs)];
    return bodies.every((body) => body[2] !== "") ? readCalls(bodies.map((body) => body[1]!)) : undefined;
  }
  const mistral = text.indexOf("[TOOL_CALLS]");
  if (mistral >= 0) return readCalls([text.slice(mistral + "[TOOL_CALLS]".length)]);
  const bare = text.replace("<|python_tag|>", "").trim();
  return /^\{\s*"(name|type)"\s*:/.test(bare) ? readCalls([bare]) : [];
}

function readCalls(bodies: string[]): ToolCall[] | undefined {
  const calls: ToolCall[] = [];
  for (const body of bodies) {
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      return undefined;
    }
    for (const item of Array.isArray(parsed) ? parsed : [parsed]) {
      const { name, arguments: given, parameters } = (item ?? {}) as Record<string, unknown>;
      const input = given ?? parameters;
      if (typeof name !== "string" || input === undefined) return undefined;
      calls.push({ name, input: typeof input === "string" ? input : JSON.stringify(input) });
    }
  }
  return calls;
}
