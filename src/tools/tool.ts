/**
 * A tool: the shape of the AI SDK's `tool()`, with a name.
 *
 * `execute` may throw: the rollout records a tool error and shows the message to the model, it does not crash.
 * Its result is capped and can never become a special token.
 */
import type { z } from "zod";

export interface ToolContext {
  signal?: AbortSignal;
}

export interface Tool<Input = unknown> {
  name: string;
  description: string;
  inputSchema: z.ZodType<Input>;
  /** Tag that wraps a call in the tag format: `search_query` for `<search_query>…</search_query>`. */
  tag?: string;
  /** Turns the text between the tags into the input; default: the text as the schema's only string field. */
  parse?: (text: string) => unknown;
  execute: (input: Input, context: ToolContext) => Promise<string> | string;
  /** The observation turn; default `${call} -> ${result}`. */
  format?: (call: string, result: string) => string;
}

/** A tool in a list of tools whose inputs differ. */
// biome-ignore lint/suspicious/noExplicitAny: Input is both read and written, so no other type admits every tool
export type AnyTool = Tool<any>;

export function tool<Input>(definition: Tool<Input>): Tool<Input> {
  return definition;
}
