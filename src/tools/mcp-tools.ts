/**
 * Tools of an MCP server, through a connected client of `@modelcontextprotocol/sdk`. The server checks its input; a
 * result that it marks as an error is a tool error, which the model sees.
 */
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import { jsonSchemaInput } from "./json-schema-input.js";
import { resultText } from "./result-text.js";
import type { AnyTool } from "./tool.js";

/** A tool as an MCP server lists it. */
export interface McpTool {
  /** Unique on the server. */
  name: string;
  /** Shown to the model. */
  description?: string | undefined;
  /** JSON schema of the input. */
  inputSchema: unknown;
}

/** A page of a server's tools. */
export interface McpToolPage {
  /** The tools. */
  tools: McpTool[];
  /** Where the next page begins; absent on the last one. */
  nextCursor?: string | undefined;
}

/** What is needed of a client of `@modelcontextprotocol/sdk`. */
export interface McpClient {
  /** Lists a page of tools. */
  listTools(params?: { cursor?: string }): Promise<McpToolPage>;
  /** Calls a tool. */
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    resultSchema?: undefined,
    options?: { signal?: AbortSignal },
  ): Promise<unknown>;
}

/** More tools than a prompt could show: a server that pages without end. */
const MOST_TOOLS = 1000;

/** Options of {@link mcpTools}. */
export interface McpToolsOptions {
  /** Names of the tools to take; all unless given. */
  only?: readonly string[] | undefined;
}

/**
 * The tools of an MCP server.
 *
 * @throws SwirlError INPUT for what is not a client; ENDPOINT for a server that does not answer; CONFIG for a name in `only` that the server does not have, and for a server that lists no tools.
 * @example
 * const client = new Client({ name: "swirl", version: "1.0.0" });
 * await client.connect(new StdioClientTransport({ command: "my-server" }));
 * const task = defineTask({ name: "notes", tools: await mcpTools(client), callLimit: 5, matcher: exactMatcher() });
 */
export async function mcpTools(client: McpClient, options: McpToolsOptions = {}): Promise<AnyTool[]> {
  const only = ofArguments("mcpTools", "(client, { only? })", () => {
    if (typeof client.listTools !== "function" || typeof client.callTool !== "function")
      throw new TypeError("the client has no listTools and callTool");
    return options.only === undefined ? undefined : [...options.only];
  });
  const tools: AnyTool[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await listPage(client, cursor);
    for (const { name, description = "", inputSchema } of page.tools)
      tools.push(toolOf(client, name, description, (inputSchema ?? {}) as Record<string, unknown>));
    cursor = page.nextCursor;
    if (cursor === undefined) break;
    if (tools.length > MOST_TOOLS) throw fail(`the server lists more than ${MOST_TOOLS} tools`);
  }
  const names = tools.map(({ name }) => name);
  const absent = only?.find((name) => !names.includes(name));
  if (absent !== undefined) throw fail(`the server has no tool ${absent}; it has ${names.join(", ")}`);
  if (tools.length === 0) throw fail("the server lists no tools");
  return only ? tools.filter(({ name }) => only.includes(name)) : tools;
}

async function listPage(client: McpClient, cursor: string | undefined) {
  try {
    return await client.listTools(cursor === undefined ? {} : { cursor });
  } catch (cause) {
    const message = redactText(cause instanceof Error ? cause.message : String(cause));
    throw new SwirlError("ENDPOINT", `mcpTools: the server does not list its tools: ${message}`, {
      remedy: "check that the server runs and that the client is connected",
      cause,
    });
  }
}

function fail(what: string): SwirlError {
  return new SwirlError("CONFIG", `mcpTools: ${what}`, {
    remedy: "check the server, and the names in only",
    details: { field: "only" },
  });
}

function toolOf(
  client: McpClient,
  name: string,
  description: string,
  parameters: Record<string, unknown>,
): AnyTool {
  return {
    name,
    description,
    parameters,
    inputSchema: jsonSchemaInput(parameters),
    execute: async (input: Record<string, unknown>, { signal }) => {
      const result = await client.callTool({ name, arguments: input }, undefined, signal ? { signal } : {});
      const { isError, text } = await read(result);
      if (isError) throw new Error(text);
      return text;
    },
  };
}

interface McpResult {
  isError?: boolean;
  content?: {
    type: string;
    text?: string;
    mimeType?: string;
    uri?: string;
    resource?: { text?: string; uri?: string };
  }[];
  structuredContent?: unknown;
  /** Of servers before protocol version 2024-11-05. */
  toolResult?: unknown;
}

async function read(value: unknown): Promise<{ isError: boolean; text: string }> {
  const { isError = false, content = [], structuredContent, toolResult } = (value ?? {}) as McpResult;
  const parts = content.map((part) => {
    if (part.type === "text") return part.text ?? "";
    if (part.type === "resource" && part.resource?.text !== undefined) return part.resource.text;
    return `[${[part.type, part.mimeType, part.uri ?? part.resource?.uri].filter(Boolean).join(" ")}]`;
  });
  if (parts.length > 0) return { isError, text: parts.join("\n") };
  return { isError, text: await resultText(structuredContent ?? toolResult ?? "") };
}
