// A project that gives tools of the AI SDK and of an MCP client to a task. AI is the version that scripts/matrix.mjs sets.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { jsonSchema, tool } from "ai";
import { defineTask, exactMatcher, mcpTools } from "swirl-rl";
import { z } from "zod";

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }, { abortSignal }) => ({ city, stopped: abortSignal?.aborted ?? false }),
});
const echo = tool({
  description: "Says it again",
  inputSchema: jsonSchema<{ text: string }>({ type: "object", properties: { text: { type: "string" } } }),
  execute: ({ text }) => text,
});
const sdk = defineTask({
  name: "sdk",
  tools: { weather, echo },
  callLimit: 2,
  matcher: exactMatcher(),
});

const server = new McpServer({ name: "notes", version: "1.0.0" });
server.registerTool("add", { inputSchema: { a: z.number() } }, async ({ a }) => ({
  content: [{ type: "text", text: `${a + 1}` }],
}));
const [ours, theirs] = InMemoryTransport.createLinkedPair();
await server.connect(theirs);
const client = new Client({ name: "swirl", version: "1.0.0" });
await client.connect(ours);
const mcp = defineTask({
  name: "mcp",
  tools: await mcpTools(client),
  callLimit: 1,
  matcher: exactMatcher(),
});
const results = [
  await sdk.tools[0]!.execute({ city: "Oslo" }, {}),
  await sdk.tools[1]!.execute({ text: "hi" }, {}),
  await mcp.tools[0]!.execute({ a: 41 }, {}),
];
if (JSON.stringify(results) !== '[{"city":"Oslo","stopped":false},"hi","42"]')
  throw new Error(JSON.stringify(results));
console.log("tools ran");
await client.close();
