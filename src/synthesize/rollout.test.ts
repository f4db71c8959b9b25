import { expect, test } from "vitest";
import { z } from "zod";
import {
  decode,
  lastMessage,
  type Script,
  ScriptedPolicy,
  turnsTaken,
} from "../../tests/support/scripted-policy.js";
import { SwirlError } from "../errors/swirl-error.js";
import { tool } from "../tools/tool.js";
import { decompose } from "../trajectory/decompose.js";
import { trajectorySchema } from "../trajectory/trajectory.js";
import { rollout } from "./rollout.js";
import { type RolloutSettings, rolloutSchema } from "./rollout-options.js";
import { rolloutSetup } from "./rollout-setup.js";
import { defineTask } from "./task.js";

const capitals = tool({
  name: "search",
  description: "Finds the capital of a country.",
  tag: "search_query",
  inputSchema: z.object({ query: z.string() }),
  execute: async ({ query }, { signal }) => {
    if (query === "slow") await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    if (query === "broken") throw new Error("index is gone");
    return query === "long" ? "😀".repeat(5000) : `capital of ${query}`;
  },
});
const exactly = { id: "exactly", match: () => ({ status: "ok" as const, correct: true }) };
const task = defineTask({ name: "capitals", tools: [capitals], callLimit: 2, matcher: exactly });
const question = { id: "q1", question: "Which city?", answers: ["Paris"] };

function run(script: Script, options: Partial<RolloutSettings> = {}, policyOptions = {}) {
  const policy = new ScriptedPolicy(script, policyOptions);
  const settings = rolloutSchema.parse({ temperature: 1, seed: 7, ...options });
  return { policy, trajectory: rollout(question, 0, rolloutSetup(policy, task, settings)) };
}

const call = (query: string) => `thinking about ${query} <search_query>${query}</search_query>`;
const answer = "so <answer>Paris</answer>";
const says =
  (...texts: string[]): Script =>
  (context) =>
    texts[turnsTaken(context)] ?? texts.at(-1)!;

test("prompt, call, observation, answer: the record is valid and rebuilds the very states the policy acted in", async () => {
  const { policy, trajectory } = run(says(call("France"), answer));
  const record = await trajectory;
  expect(trajectorySchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
  expect(record).toMatchObject({ id: "q1/0", end: "answer", answer: "Paris", gold: ["Paris"], callLimit: 2 });
  expect(record.steps.map((step) => step.kind)).toEqual(["call", "answer"]);
  expect(record.steps[0]!.observation!.text).toBe("France -> capital of France");
  const subs = decompose(record);
  expect(subs.map((sub) => sub.state)).toEqual(policy.calls.map(({ context }) => context.tokens));
  expect(decode(subs[1]!.action)).toBe(answer);
  expect(subs[0]!.logprobs[2]).toBe(Math.fround(-0.1 / 5));
});

test("stripped thoughts: states hold the bare call, and are still rebuilt exactly", async () => {
  const { policy, trajectory } = run(says(call("France"), call("Spain"), answer), { keepThoughts: false });
  const record = await trajectory;
  const subs = decompose(record);
  expect(subs.map((sub) => sub.state)).toEqual(policy.calls.map(({ context }) => context.tokens));
  expect(decode(subs[2]!.state)).not.toContain("thinking about");
  expect(decode(subs[2]!.state)).toContain("<search_query>Spain</search_query>");
  expect(record.steps[1]!.keep).toBe(subs[0]!.state.length);
  expect(subs[2]!.view.history[0]!.action).toBe("<search_query>France</search_query>");
});

test("the policy is told where an action stops, and its own limits", async () => {
  const { policy, trajectory } = run(says(answer), {
    maxNewTokens: 99,
    topK: 3,
    topP: 0.5,
    temperature: 0.25,
  });
  await trajectory;
  expect(policy.calls[0]!.options).toMatchObject({
    n: 1,
    stop: ["</search_query>", "</answer>"],
    maxNewTokens: 99,
    topK: 3,
    topP: 0.5,
    temperature: 0.25,
  });
});

test("at the limit: the calls are made, the one too many is not", async () => {
  const texts = ["A", "B", "C", "D"].map(call);
  const ended = await run(says(...texts)).trajectory;
  expect(ended).toMatchObject({ end: "limit" });
  expect(ended.steps.map((step) => step.observation?.text)).toEqual([
    "A -> capital of A",
    "B -> capital of B",
    undefined,
  ]);

  const asked = await run(says(call("A"), call("B"), call("C"), answer), { atLimit: "ask-for-answer" })
    .trajectory;
  expect(asked).toMatchObject({ end: "answer", answer: "Paris" });
  expect(asked.steps[2]!.observation).toMatchObject({
    text: expect.stringContaining("No calls are left"),
    error: true,
  });

  const refused = await run(says(...texts, call("E")), { atLimit: "ask-for-answer" }).trajectory;
  expect(refused).toMatchObject({ end: "limit" });
  expect(refused.steps).toHaveLength(4);
});

test("malformed actions end the trajectory, or are answered and use a call up", async () => {
  const ended = await run(says("no tags here")).trajectory;
  expect(ended).toMatchObject({ end: "malformed", steps: [{ kind: "malformed", problem: "no-tag" }] });

  const script = says("no tags here", call("A"), answer);
  const { policy, trajectory } = run(script, { malformed: "retry-message" });
  const retried = await trajectory;
  expect(retried).toMatchObject({ end: "answer" });
  expect(lastMessage(policy.calls[1]!.context)).toContain("<search_query>");
  expect(decompose(retried).map((sub) => sub.view.callsLeft)).toEqual([1, 0, 0]);

  const never = await run(says("no tags here"), { malformed: "retry-message" }).trajectory;
  expect(never.end).toBe("limit");
  expect(never.steps).toHaveLength(3);
});

test("a repeated call is executed, told, or the end", async () => {
  const script = says(call("A"), call(" a "), answer);
  expect((await run(script).trajectory).steps[1]!.observation!.text).toBe("a -> capital of a");
  const told = await run(script, { repeatedCall: "tell" }).trajectory;
  expect(told.steps[1]!.observation).toMatchObject({
    text: expect.stringContaining("already made"),
    error: true,
  });
  expect((await run(script, { repeatedCall: "end" }).trajectory).end).toBe("malformed");
});

test("a tool that fails or hangs is shown to the model, or ends the trajectory", async () => {
  const shown = await run(says(call("broken"), call("slow"), answer), { toolTimeoutMs: 20 }).trajectory;
  expect(shown.end).toBe("answer");
  expect(shown.steps[0]!.observation).toMatchObject({ text: "broken -> error: index is gone", error: true });
  expect(shown.steps[1]!.observation).toMatchObject({
    text: "slow -> error: no result within 20 ms",
    error: true,
  });
  const ended = await run(says(call("broken")), { toolError: "end" }).trajectory;
  expect(ended).toMatchObject({ end: "tool-error", steps: [{ observation: { error: true } }] });
});

test("observations are cut by characters and by tokens, never within a character", async () => {
  const byChars = await run(says(call("long"), answer), { maxObservationChars: 101 }).trajectory;
  const text = byChars.steps[0]!.observation!.text;
  expect(text).toMatch(/^long -> (😀)+ … \[cut\]$/u);
  expect(text.length).toBeLessThanOrEqual("long -> ".length + 101);

  const { policy, trajectory } = run(says(call("long"), answer), { maxObservationTokens: 200 });
  const byTokens = await trajectory;
  const [before, after] = policy.calls.map(({ context }) => context.tokens!.length);
  expect(after! - before! - byTokens.steps[0]!.action.length).toBeLessThanOrEqual(200);
  expect(byTokens.steps[0]!.observation!.text).toContain("[cut]");
  expect(decompose(byTokens)[1]!.state).toEqual(policy.calls[1]!.context.tokens);
});

test("a full context or a used-up action budget ends in `length`; a prompt that does not fit fails", async () => {
  const cut = await run(says("thinking ".repeat(50)), { maxNewTokens: 20 }).trajectory;
  expect(cut).toMatchObject({ end: "length", steps: [{ kind: "malformed", problem: "cut-off" }] });

  const long = await run(says(call("long"), answer), { maxNewTokens: 100 }, { contextLength: 1500 })
    .trajectory;
  expect(long.end).toBe("length");
  expect(long.steps[0]!.observation!.text).toContain("[cut]");

  const failed = await run(says(answer), { maxNewTokens: 10 }, { contextLength: 50 }).trajectory;
  expect(failed).toMatchObject({
    end: "failed",
    steps: [],
    error: expect.stringMatching(/prompt has \d+ tokens/),
  });
  expect(trajectorySchema.safeParse(failed).success).toBe(true);
});

test("an endpoint that is down is a record; a configuration error and NaN log-probs are thrown", async () => {
  const failing =
    (code: "ENDPOINT" | "CONFIG"): Script =>
    (context) => {
      if (turnsTaken(context) === 1) throw new SwirlError(code, "gone");
      return call("A");
    };
  const record = await run(failing("ENDPOINT")).trajectory;
  expect(record).toMatchObject({ end: "failed", error: "gone" });
  expect(record.steps).toHaveLength(1);
  await expect(run(failing("CONFIG")).trajectory).rejects.toMatchObject({ code: "CONFIG" });

  const nan: Script = () => ({
    text: answer,
    finishReason: "stop",
    tokens: Int32Array.of(1),
    logprobs: Float32Array.of(Number.NaN),
  });
  await expect(run(nan).trajectory).rejects.toMatchObject({ code: "NUMERICS" });
});

test("chat-template calls: tools are offered, the call's JSON is executed, the result is a tool turn with its id", async () => {
  const script: Script = (context) =>
    turnsTaken(context) === 0
      ? {
          text: "",
          finishReason: "eos",
          toolCalls: [{ id: "c9", name: "search", input: '{"query":"France"}' }],
        }
      : answer;
  const { policy, trajectory } = run(script, { format: "chat-template" }, { exact: false });
  const record = await trajectory;
  expect(record).toMatchObject({ end: "answer", answer: "Paris" });
  expect(policy.calls[0]!.context.tools).toMatchObject([
    {
      name: "search",
      parameters: { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
    },
  ]);
  expect(policy.calls[1]!.context.messages.at(-1)).toEqual({
    role: "tool",
    content: "capital of France",
    toolCallId: "c9",
  });
  expect(decompose(record)[1]!.view.history[0]!.action).toContain('"query":"France"');
});

test("bad input of a template call is shown, not thrown", async () => {
  const script: Script = (context) =>
    turnsTaken(context) === 0 ? '<tool_call>{"name": "search", "arguments": {"q": 1}}</tool_call>' : answer;
  const record = await run(script, { format: "chat-template" }).trajectory;
  expect(record.steps[0]!.observation).toMatchObject({ error: true, text: expect.stringContaining("query") });
});

test("configuration that cannot work is refused at once", () => {
  expect(() => run(says(answer), { maxObservationTokens: 100 }, { exact: false })).toThrow(
    /maxObservationTokens/,
  );
  expect(() => run(says(answer), { maxNewTokens: 60 }, { contextLength: 50 })).toThrow(/leaves no room/);
  expect(() => defineTask({ name: "t", tools: [], callLimit: 3, matcher: exactly })).toThrow(
    /no tool to call/,
  );
  const two = tool({
    name: "two",
    description: "",
    inputSchema: z.object({ a: z.string(), b: z.string() }),
    execute: () => "",
  });
  const bad = defineTask({ name: "t", tools: [two], callLimit: 1, matcher: exactly });
  const options = rolloutSchema.parse({ temperature: 1, seed: 0 });
  expect(() => rolloutSetup(new ScriptedPolicy(says(answer)), bad, options)).toThrow(
    /cannot become its input/,
  );
});

test.each([undefined, [], { text: "x" }, [null], [{ finishReason: "stop" }]])(
  "a policy whose act() gives %j is told what to give",
  async (reply) => {
    const policy = Object.assign(new ScriptedPolicy(says(answer)), { act: async () => reply as never });
    const setup = rolloutSetup(policy, task, rolloutSchema.parse({ temperature: 1, seed: 7 }));
    await expect(rollout(question, 0, setup)).rejects.toMatchObject({ code: "CONFIG" });
  },
);
