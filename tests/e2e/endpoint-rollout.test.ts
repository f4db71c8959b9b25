/** Stage 1 over HTTP: both action formats, a server that fails on the way, a server that is gone, and no key on disk. */
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  calculator,
  calculatorTask,
  EndpointPolicy,
  readTrajectories,
  type SynthesizeOptions,
  synthesize,
} from "../../src/index.js";
import { type Arrival, type Reply, ScriptedServer, texts } from "../support/scripted-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let dir: string;
beforeAll(() => {
  dir = temporaryFolder();
});

const KEY = "planted-key-0123456789";
const task = calculatorTask(calculator());
const questions = Array.from({ length: 12 }, (_, i) => ({
  id: `q${i}`,
  question: `Half of ${2 * i}?`,
  answers: [`${i}`],
}));

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

function connect(server: ScriptedServer, more: object = {}): Promise<EndpointPolicy> {
  const retries = { probe: false, maxRetries: 6, retryBaseMs: 1, retryMaxMs: 2, timeoutMs: 300 };
  return EndpointPolicy.connect({ baseURL: server.baseURL, model: "m", apiKey: KEY, ...retries, ...more });
}

const numberIn = ({ body }: Arrival) => Number(/Half of (\d+)\?/.exec(body.messages[0]!.content)![1]);
const options = (policy: EndpointPolicy, more: Partial<SynthesizeOptions> = {}): SynthesizeOptions => ({
  policy,
  task,
  samples: 1,
  ...more,
});

test("tags: faults on the way change nothing, stop strings are kept, the key is in no file", async () => {
  const faults: Reply[] = [
    { kind: "status", status: 429 },
    { kind: "truncate" },
    { kind: "cut" },
    { kind: "hang" },
  ];
  await using server = await ScriptedServer.start((arrival) => {
    if (arrival.attempt === 0 && arrival.index % 2 === 0) return faults[(arrival.index / 2) % faults.length]!;
    const { messages, stop } = arrival.body;
    expect(stop).toEqual(["</math_exp>", "</answer>"]);
    // As servers do, the stop string itself is left out.
    if (messages.length === 1) return texts(`Halve it: <math_exp>${numberIn(arrival)} / 2`);
    return texts(`<answer>${messages.at(-1)!.content.split(" -> ")[1]}`);
  });
  const output = join(dir, "tags.jsonl");
  const made = await collect(synthesize(questions, options(await connect(server), { output })));
  expect(made).toHaveLength(12);
  for (const t of made)
    expect(t).toMatchObject({
      end: "answer",
      answer: t.gold[0],
      steps: [{ kind: "call" }, { kind: "answer" }],
    });
  expect(await collect(readTrajectories(output))).toEqual(made);
  expect(await fs.readFile(output, "utf8")).not.toContain(KEY);
});

test("tool calls: the tools are offered, each call is answered by a tool message with its id", async () => {
  await using server = await ScriptedServer.start((arrival) => {
    const { messages, tools } = arrival.body as Arrival["body"] & { tools: { function: { name: string } }[] };
    expect(tools.map((tool) => tool.function.name)).toEqual(["calculator"]);
    if (messages.length === 1) {
      const call = {
        name: "calculator",
        arguments: JSON.stringify({ expression: `${numberIn(arrival)} / 2` }),
      };
      const message = {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c7", type: "function", function: call }],
      };
      return { kind: "choices", choices: [{ index: 0, message, finish_reason: "tool_calls" }] };
    }
    expect(messages.at(-2)!.tool_calls).toMatchObject([{ id: "c7" }]);
    expect(messages.at(-1)).toMatchObject({ role: "tool", tool_call_id: "c7" });
    return texts(`<answer>${messages.at(-1)!.content}</answer>`);
  });
  for (const keepThoughts of [true, false]) {
    const settings = options(await connect(server), { format: "chat-template", keepThoughts });
    const made = await collect(synthesize(questions, settings));
    for (const t of made) expect(t).toMatchObject({ end: "answer", answer: t.gold[0] });
  }
});

test("a server that is gone: failed records, then one error that says what to do", async () => {
  const server = await ScriptedServer.start(() => texts("never"));
  const policy = await connect(server, { maxRetries: 1 });
  await server[Symbol.asyncDispose]();
  const output = join(dir, "gone.jsonl");
  const run = collect(synthesize(questions, options(policy, { output, maxFailuresInARow: 5 })));
  await expect(run).rejects.toMatchObject({
    code: "ENDPOINT",
    message: /5 trajectories in a row failed[\s\S]*run again/,
  });
  const written = await collect(readTrajectories(output));
  expect(written.length).toBeGreaterThanOrEqual(5);
  expect(written.every((t) => t.end === "failed" && t.steps.length === 0)).toBe(true);
});
