/** The parts of a conversation. Policies, chat templates and endpoints share these types. */

/** A tool call of an action. */
export interface ToolCall {
  /** The endpoint's id of the call. */
  id?: string;
  /** Name of the tool. */
  name: string;
  /** Exactly what the model wrote between the tags, or the JSON text of the arguments. */
  input: string;
}

/** A message of a conversation. */
export interface Message {
  /** Who speaks. */
  role: "system" | "user" | "assistant" | "tool";
  /** The text. */
  content: string;
  /** Tool calls of an assistant message. */
  toolCalls?: ToolCall[];
  /** Id of the call that a tool message answers. */
  toolCallId?: string;
}

/** The description of a tool for a chat template or an endpoint. */
export interface ToolSpec {
  /** Name of the tool. */
  name: string;
  /** What the tool does, for the model. */
  description: string;
  /** JSON Schema of the input. */
  parameters: Record<string, unknown>;
}
