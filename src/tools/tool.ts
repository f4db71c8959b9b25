/**
 * Tools: a name, a description, a schema and a function. Those of the AI SDK and of MCP servers become such tools
 * (ai-sdk-tools.ts, mcp-tools.ts).
 *
 * `execute` may throw. The rollout then records a tool error, shows its message to the model and continues.
 * A result is truncated when it is too long, and can never become a special token.
 */

import type { z } from "zod";
import { ofArguments } from "../errors/arguments.js";

/** What a tool's `execute` gets next to its input. */
export interface ToolContext {
  /** Aborted when the run ends, or the call takes too long. */
  signal?: AbortSignal;
  /** The same signal, by the AI SDK's name. */
  abortSignal?: AbortSignal;
  /** Unique to the call. */
  toolCallId?: string;
  /** Empty: a tool does not see the conversation. */
  messages?: never[];
}

/** A function that a policy can call. Make one with {@link tool}. */
export interface Tool<Input = unknown> {
  /** Unique in a task; the name in calls of the chat template, and in records. */
  name: string;
  /** Shown to the model: what the tool does. */
  description: string;
  /** The zod schema of the input. A call with another input is a tool error that the model sees. */
  inputSchema: z.ZodType<Input>;
  /** Tag that wraps a call in the tag format: `search_query` for `<search_query>…</search_query>`. @default the name */
  tag?: string;
  /** Turns the text between the tags into the input. @default the text as the schema's only string field */
  parse?: (text: string) => unknown;
  /** JSON schema of the input that is shown to the model. @default what inputSchema gives */
  parameters?: Readonly<Record<string, unknown>>;
  /**
   * Makes the call. Its result is text, or becomes JSON text; of an async iterable the last value counts. It may throw:
   * the model then sees the message.
   */
  execute: (input: Input, context: ToolContext) => unknown;
  /** Writes the observation turn. @default `${call} -> ${result}` */
  format?: (call: string, result: string) => string;
}

/** A tool in a list of tools whose inputs differ. */
// biome-ignore lint/suspicious/noExplicitAny: Input is both read and written, so no other type admits every tool
export type AnyTool = Tool<any>;

/**
 * Defines a tool. Returns the definition as it is; `execute` gets the type of the schema.
 *
 * @example
 * const weather = tool({
 *   name: "weather",
 *   description: "The weather in a city today.",
 *   inputSchema: z.object({ city: z.string() }),
 *   execute: async ({ city }, { signal }) => (await fetch(`https://example.org/${city}`, { signal })).text(),
 * });
 */
export function tool<Input>(definition: Tool<Input>): Tool<Input> {
  return ofArguments("tool", "{ name, description, inputSchema, execute }", () => {
    const { name, description, inputSchema, execute } = definition;
    const whole =
      typeof name === "string" &&
      typeof description === "string" &&
      typeof inputSchema?.safeParse === "function" &&
      typeof execute === "function";
    if (!whole) throw new TypeError("one of them is missing or has the wrong type");
    return definition;
  });
}
