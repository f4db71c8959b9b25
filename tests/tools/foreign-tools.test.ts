/** Tools of the AI SDK and of a real MCP server, as they are, in rollouts. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { dynamicTool, jsonSchema, tool as sdkTool, zodSchema } from "ai";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { type AiSdkTool, defineTask, exactMatcher, mcpTools, tool } from "../../src/index.js";
import { rollout } from "../../src/synthesize/rollout.js";
import { rolloutSchema } from "../../src/synthesize/rollout-options.js";
import { rolloutSetup } from "../../src/synthesize/rollout-setup.js";
import type { AnyTool } from "../../src/tools/tool.js";
import { ScriptedPolicy, turnsTaken } from "../support/scripted-policy.js";

type Tools = readonly AnyTool[] | Readonly<Record<string, AiSdkTool>>;

/** The observation of each call, and what the model was shown of the tools. */
async function observe(
  tools: Tools,
  calls: readonly string[],
  format: "chat-template" | "tags" = "chat-template",
) {
  const task = defineTask({ name: "any", tools, callLimit: calls.length, matcher: exactMatcher() });
  const policy = new ScriptedPolicy((context) => calls[turnsTaken(context)] ?? "<answer>done</answer>");
  const settings = rolloutSchema.parse({ temperature: 1, seed: 1, format, toolTimeoutMs: 2000 });
  const question = { id: "q", question: "?", answers: ["done"] };
  const { steps } = await rollout(question, 0, rolloutSetup(policy, task, settings));
  return {
    observed: steps.flatMap(({ observation }) => (observation ? [observation] : [])),
    shown: policy.calls[0]!.context.tools,
  };
}
const call = (name: string, input: unknown) =>
  `<tool_call>${JSON.stringify({ name, arguments: input })}</tool_call>`;

describe("AI SDK", () => {
  const seen: { aborted: boolean; id: string; messages: unknown[] }[] = [];
  const weather = sdkTool({
    description: "The weather in a city",
    inputSchema: z.object({ city: z.string(), days: z.int().default(1) }),
    execute: async ({ city, days }, { abortSignal, toolCallId, messages }) => {
      seen.push({ aborted: abortSignal!.aborted, id: toolCallId, messages });
      return { city, days, sky: ["blue", null] };
    },
  });

  it("tool() with zod: input is checked, options are the SDK's, an object becomes JSON", async () => {
    const { observed, shown } = await observe({ weather }, [
      call("weather", { city: "Łódź" }),
      call("weather", { city: 3 }),
    ]);
    expect(observed.map(({ text }) => text)).toEqual([
      '{"city":"Łódź","days":1,"sky":["blue",null]}',
      expect.stringContaining("bad input: city"),
    ]);
    expect(seen).toEqual([{ aborted: false, id: expect.stringMatching(/^[\w-]{10,}$/), messages: [] }]);
    expect(shown).toMatchObject([
      { name: "weather", description: "The weather in a city", parameters: { required: ["city"] } },
    ]);
  });

  it("jsonSchema(), zodSchema(), dynamicTool() and a generator", async () => {
    const tools = {
      bare: sdkTool({
        inputSchema: jsonSchema<{ n: number }>({
          type: "object",
          properties: { n: { type: "integer" }, tag: { type: ["string", "null"] } },
          required: ["n"],
        }),
        execute: ({ n }) => n + 1,
      }),
      checked: sdkTool({
        inputSchema: zodSchema(z.object({ n: z.number().max(5) })),
        execute: ({ n }) => n,
      }),
      dynamic: dynamicTool({
        description: "d",
        inputSchema: z.object({}),
        execute: async () => undefined,
      }),
      stream: sdkTool({
        inputSchema: z.object({}),
        async *execute() {
          yield { status: "loading" };
          yield { status: "done" };
        },
      }),
    };
    const { observed, shown } = await observe(tools, [
      call("bare", { n: 1 }),
      call("bare", { n: "one" }),
      "<function=bare><parameter=n>41</parameter></function>",
      call("checked", { n: 4 }),
      call("checked", { n: 6 }),
      call("dynamic", {}),
      call("stream", {}),
    ]);
    expect(observed.map(({ text }) => text)).toEqual([
      "2",
      expect.stringContaining("bad input: n"),
      "42",
      "4",
      expect.stringContaining("bad input:"),
      "",
      '{"status":"done"}',
    ]);
    expect(shown![0]!.parameters).toMatchObject({ properties: { tag: { type: ["string", "null"] } } });
  });

  it("a call by tags fills the only text field of a JSON schema", async () => {
    const echo = sdkTool({
      inputSchema: jsonSchema<{ text: string }>({
        type: "object",
        properties: { text: { type: "string" }, limit: { type: "integer" } },
      }),
      execute: ({ text }) => text.toUpperCase(),
    });
    const { observed } = await observe({ echo }, ["<echo>hi</echo>"], "tags");
    expect(observed[0]!.text).toBe("hi -> HI");
  });

  it("its timeout aborts abortSignal", async () => {
    let aborted = false;
    const slow = sdkTool({
      inputSchema: z.object({}),
      execute: (_, { abortSignal }) =>
        new Promise<string>((_, reject) => {
          abortSignal!.addEventListener("abort", () => {
            aborted = true;
            reject(new Error("stopped"));
          });
        }),
    });
    const { observed } = await observe({ slow }, [call("slow", {})]);
    expect(observed[0]).toMatchObject({ error: true });
    expect(aborted).toBe(true);
  });

  it("what a rollout cannot call is refused by name, before it begins", () => {
    const inputSchema = z.object({});
    const define = (tools: Tools) => () =>
      defineTask({ name: "any", tools, callLimit: 1, matcher: exactMatcher() });
    expect(define({ ask: sdkTool({ inputSchema }) as AiSdkTool })).toThrow(/tool ask: it has no execute/);
    expect(define({ pay: sdkTool({ inputSchema, needsApproval: true, execute: () => "" }) })).toThrow(
      /tool pay: it needs approval/,
    );
    const zod3 = { _def: { typeName: "ZodObject" }, safeParse: () => {} };
    expect(define({ old: { inputSchema: zod3, execute: () => "" } })).toThrow(/tool old: .*\n.*zod 4/);
  });

  it("its types are accepted", () => {
    expectTypeOf(weather).toExtend<AiSdkTool>();
    expectTypeOf({ weather }).toExtend<Parameters<typeof defineTask>[0]["tools"]>();
  });
});

it("results of our own tools: objects become JSON, what cannot is a tool error", async () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const results = [{ a: [1] }, 7, null, true, 10n, cyclic, () => {}, new Error("as a value")];
  const odd = tool({
    name: "odd",
    description: "",
    inputSchema: z.object({ i: z.int() }),
    execute: ({ i }) => results[i],
  });
  const { observed } = await observe(
    [odd],
    results.map((_, i) => call("odd", { i })),
  );
  expect(observed.map(({ text }) => text)).toEqual([
    '{"a":[1]}',
    "7",
    "null",
    "true",
    "10",
    expect.stringContaining("circular"),
    expect.stringContaining("returned a function"),
    "error: as a value",
  ]);
  expect(observed.map(({ error }) => error)).toEqual([false, false, false, false, false, true, true, true]);
});

describe("MCP", () => {
  async function connected() {
    const server = new McpServer({ name: "notes", version: "1.0.0" });
    server.registerTool(
      "add",
      { description: "Adds", inputSchema: { a: z.number(), b: z.number() } },
      async ({ a, b }) => ({ content: [{ type: "text", text: `${a + b}` }] }),
    );
    server.registerTool("parts", { description: "Many parts" }, async () => ({
      content: [
        { type: "text", text: "first" },
        { type: "image", data: "AAAA", mimeType: "image/png" },
        { type: "resource", resource: { uri: "note://1", text: "a note" } },
      ],
    }));
    server.registerTool("fails", { inputSchema: { q: z.string() } }, async () => {
      throw new Error("the note is gone");
    });
    server.registerTool("structured", { outputSchema: { n: z.number() } }, async () => ({
      content: [],
      structuredContent: { n: 3 },
    }));
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    await server.connect(theirs);
    const client = new Client({ name: "swirl", version: "1.0.0" });
    await client.connect(ours);
    return { client, server };
  }

  it("tools of a server run for real, with their schemas, errors and parts", async () => {
    const { client, server } = await connected();
    const tools = await mcpTools(client);
    expect(tools.map(({ name }) => name)).toEqual(["add", "parts", "fails", "structured"]);
    const { observed, shown } = await observe(tools, [
      call("add", { a: 2, b: 3 }),
      call("add", { a: 2 }),
      "<function=add><parameter=a>2</parameter><parameter=b>40</parameter></function>",
      call("parts", {}),
      call("fails", { q: "x" }),
      call("structured", {}),
    ]);
    expect(observed.map(({ text, error }) => [text, error])).toEqual([
      ["5", false],
      [expect.stringContaining("bad input: b"), true],
      ["42", false],
      ["first\n[image image/png]\na note", false],
      [expect.stringContaining("the note is gone"), true],
      ['{"n":3}', false],
    ]);
    expect(shown![0]).toMatchObject({
      name: "add",
      parameters: { type: "object", properties: { a: { type: "number" } }, required: ["a", "b"] },
    });
    await client.close();
    await server.close();
  });

  it("a server that is gone is a tool error, not the end of the run", async () => {
    const { client, server } = await connected();
    const tools = await mcpTools(client, { only: ["add"] });
    await server.close();
    const { observed } = await observe(tools, [call("add", { a: 2, b: 3 })]);
    expect(observed[0]).toMatchObject({ error: true });
  });

  it("a name that the server does not have is refused, with those it has", async () => {
    const { client, server } = await connected();
    await expect(mcpTools(client, { only: ["ad"] })).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringContaining("no tool ad; it has add, parts, fails, structured"),
    });
    await server.close();
  });
});
