/**
 * Tools of the AI SDK (package `ai`, versions 5 to 7), as they are: a record by name, as `generateText` takes it. Their
 * schemas are zod 4 schemas, or objects of the SDK's own (`jsonSchema`, `zodSchema`, `dynamicTool`, its MCP client).
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { jsonSchemaInput } from "./json-schema-input.js";
import type { AnyTool, Tool } from "./tool.js";

/** What is needed of the AI SDK's `tool()`. */
export interface AiSdkTool {
  /** Shown to the model: what the tool does. */
  // biome-ignore lint/suspicious/noExplicitAny: a function in version 7, of a context that is never made here
  description?: string | ((options: any) => unknown) | undefined;
  /** A zod 4 schema, or a schema of the AI SDK. */
  inputSchema: unknown;
  /** Makes the call. */
  // biome-ignore lint/suspicious/noExplicitAny: Input is both read and written, so no other type admits every tool
  execute?: ((input: any, options: any) => unknown) | undefined;
}

/** A schema of the AI SDK. `validate` may be absent: `jsonSchema` without it accepts what the model writes. */
interface SdkSchema {
  jsonSchema: unknown;
  validate?: (value: unknown) => Validated | PromiseLike<Validated>;
}
type Validated = { success: true; value: unknown } | { success: false; error: Error };

/** The tools of a task: a list of ours, or a record of the AI SDK's. @throws SwirlError CONFIG for what cannot be called. */
export function toolList(
  tools: readonly AnyTool[] | Readonly<Record<string, AiSdkTool>>,
): readonly AnyTool[] {
  if (Array.isArray(tools)) return tools as readonly AnyTool[];
  return Object.entries(tools).map(([name, tool]) => fromAiSdk(name, tool));
}

function fromAiSdk(name: string, tool: AiSdkTool): AnyTool {
  const { description = "", execute, inputSchema } = tool;
  const fail = (what: string, remedy: string) =>
    new SwirlError("CONFIG", `tool ${name}: ${what}`, { remedy, details: { field: `tools.${name}` } });
  if (typeof execute !== "function")
    throw fail("it has no execute", "give it one: a rollout runs its tools itself");
  const { needsApproval } = tool as { needsApproval?: unknown };
  if (needsApproval !== undefined && needsApproval !== false)
    throw fail(
      "it needs approval, and a rollout asks nobody",
      "leave needsApproval out if it may run unasked",
    );
  if (typeof description !== "string")
    throw fail("its description is a function", "give the description as text");
  const whole = (more: Pick<Tool, "inputSchema"> & Pick<Partial<Tool>, "parameters">): AnyTool => ({
    name,
    description,
    execute: (input, context) => execute.call(tool, input, context),
    ...more,
  });
  if (isZod4(inputSchema)) return whole({ inputSchema });
  const schema = (typeof inputSchema === "function" ? inputSchema() : inputSchema) as
    | Partial<SdkSchema>
    | undefined;
  const parameters = schema?.jsonSchema;
  if (typeof parameters !== "object" || parameters === null || "then" in parameters)
    throw fail(
      "its inputSchema is not one that can be read",
      'use zod 4 (import { z } from "zod/v4" in version 3), or the AI SDK\'s zodSchema(…) or jsonSchema(…)',
    );
  const shape = jsonSchemaInput(parameters as Record<string, unknown>);
  const { validate } = schema as SdkSchema;
  return whole({
    parameters: parameters as Record<string, unknown>,
    inputSchema: validate ? shape.transform((value, context) => validated(validate, value, context)) : shape,
  });
}

async function validated(
  validate: NonNullable<SdkSchema["validate"]>,
  value: unknown,
  context: z.RefinementCtx,
): Promise<unknown> {
  const result = await validate(value);
  if (result.success) return result.value;
  context.addIssue({ code: "custom", message: result.error.message });
  return z.NEVER;
}

function isZod4(schema: unknown): schema is z.ZodType {
  return typeof schema === "object" && schema !== null && "_zod" in schema;
}
