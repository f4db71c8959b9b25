/** What a conversation is made of. Policies, chat templates and endpoints share these types. */

export interface ToolCall {
  id?: string;
  name: string;
  /** Exactly what the model wrote between the tags, or the JSON text of the arguments. */
  input: string;
}

export interface Message {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  toolCalls?: ToolCall[];
  toolCallId?: string;
}

/** A tool as a chat template or an endpoint wants to see it. */
export interface ToolSpec {
  name: string;
  description: string;
  parameters: Record<string, unknown>; // JSON Schema
}
