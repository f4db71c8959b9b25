/**
 * Executes one call. It never throws for a tool's failure: bad input, an exception and a timeout all become an error
 * to show to the model. Only the caller's own abort is thrown.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { abortedError } from "../async/map-concurrent.js";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { ToolSpec } from "../messages/message.js";
import { redactText } from "../secrets/redact.js";
import { jsonSchemaInput } from "../tools/json-schema-input.js";
import { resultText } from "../tools/result-text.js";
import type { AnyTool } from "../tools/tool.js";
import type { ActionFormat } from "../trajectory/trajectory.js";

export interface CallResult {
  /** The tool's result, or its error message. */
  text: string;
  error: boolean;
  milliseconds: number;
}

export interface RunCallOptions {
  kind: ActionFormat["kind"];
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export async function runCall(tool: AnyTool, input: string, options: RunCallOptions): Promise<CallResult> {
  const start = performance.now();
  const ended = (text: string, error: boolean): CallResult => ({
    text,
    error,
    milliseconds: Math.round((performance.now() - start) * 10) / 10,
  });
  const timeout = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, timeout.signal]) : timeout.signal;
  let timer: NodeJS.Timeout | undefined;
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`no result within ${options.timeoutMs} ms`)), {
      once: true,
    });
    timer = setTimeout(() => timeout.abort(), options.timeoutMs);
  });
  try {
    const parsed = await Promise.race([readInput(tool, input, options.kind), stopped]);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      return ended(
        `bad input: ${[issue.path.join("."), issue.message].filter((part) => part !== "").join(": ")}`,
        true,
      );
    }
    const context = { signal, abortSignal: signal, toolCallId: randomUUID(), messages: [] };
    const executing = Promise.resolve().then(async () =>
      resultText(await tool.execute(parsed.data, context)),
    );
    return ended(await Promise.race([executing, stopped]), false);
  } catch (error) {
    if (options.signal?.aborted) throw abortedError(options.signal);
    return ended(redactText(messageOf(error)), true);
  } finally {
    clearTimeout(timer);
  }
}

async function readInput(tool: AnyTool, text: string, kind: ActionFormat["kind"]) {
  if (kind === "chat-template") return readFields(tool, JSON.parse(text));
  if (tool.parse) return tool.inputSchema.safeParseAsync(tool.parse(text));
  const field = onlyStringField(tool);
  return tool.inputSchema.safeParseAsync(field === undefined ? text : { [field]: text });
}

/** Calls in XML style hold text only: a field whose schema refuses the text is parsed as JSON. */
async function readFields(tool: AnyTool, input: Record<string, unknown>) {
  const parsed = await tool.inputSchema.safeParseAsync(input);
  if (parsed.success) return parsed;
  const fields = { ...input };
  for (const { path } of parsed.error.issues) {
    const [key] = path;
    const value = path.length === 1 ? fields[key as string] : undefined;
    if (typeof value !== "string") return parsed;
    try {
      fields[key as string] = JSON.parse(value);
    } catch {
      return parsed;
    }
  }
  const read = await tool.inputSchema.safeParseAsync(fields);
  return read.success ? read : parsed;
}

function onlyStringField(tool: AnyTool): string | undefined {
  const schema = tool.parameters ? jsonSchemaInput(tool.parameters) : tool.inputSchema;
  if (!(schema instanceof z.ZodObject)) return undefined;
  const fields = Object.entries(schema.shape).filter(([, field]) => z.safeParse(field, "text").success);
  return fields.length === 1 ? fields[0]![0] : undefined;
}

/**
 * A call's input as the arguments of a chat template's call: JSON stays as it is; the text of a tag becomes what the tool
 * reads from it.
 */
export function argumentsOf(tool: AnyTool, input: string): string {
  try {
    const value: unknown = JSON.parse(input);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return input;
  } catch {
    // text, as between tags
  }
  if (tool.parse) return JSON.stringify(tool.parse(input));
  const field = onlyStringField(tool);
  return field === undefined ? input : JSON.stringify({ [field]: input });
}

/** @throws SwirlError CONFIG when text between tags cannot become this tool's input. */
export function requireTagInput(tool: AnyTool): void {
  if (tool.parse || onlyStringField(tool) !== undefined || acceptsText(tool)) return;
  throw new SwirlError("CONFIG", `tool ${tool.name}: the text between tags cannot become its input`, {
    remedy:
      'give the tool a parse(text) function, one string field in inputSchema, or use format: "chat-template"',
    details: { field: `tools.${tool.name}.parse` },
  });
}

function acceptsText(tool: AnyTool): boolean {
  try {
    return tool.inputSchema.safeParse("text").success;
  } catch {
    return false; // a schema that can only be asked asynchronously
  }
}

/** The description of a tool for a chat template or an endpoint. */
export function toolSpec(tool: AnyTool): ToolSpec {
  const { $schema: _, ...parameters } =
    (tool.parameters as Record<string, unknown> | undefined) ??
    z.toJSONSchema(tool.inputSchema, { io: "input" });
  return { name: tool.name, description: tool.description, parameters };
}
