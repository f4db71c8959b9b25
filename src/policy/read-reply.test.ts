import { describe, expect, it } from "vitest";
import { readReply, tokenLogprobs } from "./read-reply.js";

const reply = (message: unknown, choice: object = {}, more: object = {}) => ({
  choices: [{ message, finish_reason: "stop", ...choice }],
  ...more,
});
const call = (called: object, id?: unknown) => ({ tool_calls: [{ id, type: "function", function: called }] });
const text = (content: unknown) => readReply(reply({ content })).choices[0]!.text;
const calls = (message: object) => readReply(reply(message)).choices[0]!.toolCalls;
const failing = (raw: unknown) => {
  try {
    return void readReply(raw);
  } catch (error) {
    return error;
  }
};

describe("readReply", () => {
  it.each([
    ["text", "text"],
    [null, ""],
    [undefined, ""],
    [[], ""],
    [
      [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
      "ab",
    ],
    [
      [
        { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
        { type: "output_text", text: "a" },
      ],
      "a",
    ],
    [[{ type: "reasoning", text: "hm" }, "a"], "a"],
  ])("reads the content %j", (content, expected) => {
    expect(text(content)).toBe(expected);
  });

  it("reads calls however ids and arguments are given", () => {
    const input = '{"x":1}';
    expect(calls(call({ name: "f", arguments: input }, 7))).toEqual([{ id: "7", name: "f", input }]);
    expect(calls(call({ name: "f", arguments: { x: 1 } }, null))).toEqual([{ name: "f", input }]);
    expect(calls({ function_call: { name: "f", arguments: input } })).toEqual([{ name: "f", input }]);
    for (const nothing of ["", " ", null, undefined])
      expect(calls(call({ name: "f", arguments: nothing }))).toEqual([{ name: "f", input: "{}" }]);
    expect(calls({ content: "a", tool_calls: null })).toEqual([]);
  });

  it.each([
    [{ prompt_tokens: "7", completion_tokens: 3 }, 7, 3],
    [{ prompt_tokens: null, completion_tokens: {} }, 0, 0],
    [null, 0, 0],
    ["none", 0, 0],
  ])("reads the usage %j", (usage, promptTokens, completionTokens) => {
    expect(readReply(reply({ content: "a" }, {}, { usage }))).toMatchObject({
      promptTokens,
      completionTokens,
    });
  });

  it("ignores log-probs that nobody asked for", () => {
    for (const logprobs of [null, 3, "x", { content: [{ token: "a", logprob: null }] }])
      expect(readReply(reply({ content: "a" }, { logprobs })).choices[0]!.text).toBe("a");
  });

  it("counts no tokens where the count is neither a number nor text", () => {
    const usage = { prompt_tokens: { toString: 1 }, completion_tokens: "7" };
    const read = readReply(reply({ content: "text" }, {}, { usage }));
    expect([read.promptTokens, read.completionTokens]).toEqual([0, 7]);
  });

  it("reads JSON that is sent as text", () => {
    expect(readReply(JSON.stringify(reply({ content: "a" }))).choices[0]!.text).toBe("a");
    expect(failing("<html>")).toBeInstanceOf(SyntaxError);
  });

  it.each(["stop", "STOP", "tool_calls", "eos_token", "end_turn"])("takes %j as whole", (reason) => {
    expect(readReply(reply({ content: "a" }, { finish_reason: reason })).choices[0]!.finish).toBe("stop");
  });
  it.each(["length", "MAX_TOKENS", "model_length"])("takes %j as truncated at the limit", (reason) => {
    expect(readReply(reply({ content: "a" }, { finish_reason: reason })).choices[0]!.finish).toBe("length");
  });

  it.each([
    "abort",
    "error",
    "network_error",
    "content_filter",
    "insufficient_system_resource",
    "something new",
    "",
    null,
    undefined,
    7,
    { type: "abort", message: "aborted" },
  ])("takes no action from a reply that ended by %j, and may ask again", (reason) => {
    const error = failing(reply({ content: "<answer>4</answer>" }, { finish_reason: reason }));
    expect(error).toMatchObject({ code: "ENDPOINT", message: expect.stringContaining("unfinished") });
    expect(error).not.toHaveProperty("details.final");
  });

  it("takes no action from a choice that holds an error, whatever its finish_reason", () => {
    const error = failing(reply({ content: "4" }, { error: { code: 502, message: "upstream died" } }));
    expect(error).toMatchObject({ message: expect.stringContaining("upstream died") });
  });

  it.each([
    ["choices", {}],
    ["choices", { choices: "none" }],
    ["choices.0", { choices: [null] }],
    ["choices.0.message", { choices: [{ text: "old completions", finish_reason: "stop" }] }],
    ["choices.0.message.content", reply({ content: 7 })],
    ["choices.0.message.content", reply({ content: { text: "a" } })],
    ["choices.0.message.content.1", reply({ content: ["a", { type: "image_url", image_url: "x" }] })],
    ["choices.0.message.content.0", reply({ content: [{ type: { toString: 1 }, text: "a" }] })],
    ["choices.0.message.tool_calls", reply({ tool_calls: {} })],
    ["choices.0.message.tool_calls.0.function", reply({ tool_calls: [{ type: "custom" }] })],
    ["choices.0.message.tool_calls.0.function.name", reply(call({ arguments: "{}" }))],
    ["choices.0.message.tool_calls.0.function.arguments", reply(call({ name: "f", arguments: 3 }))],
  ])("names the wrong field %s, and calls the error final", (field, raw) => {
    expect(failing(raw)).toMatchObject({
      code: "ENDPOINT",
      message: expect.stringContaining(`${field} is `),
      details: { field, final: true },
    });
  });

  it.each([
    ["null", null, false],
    ["no choices", { choices: [] }, false],
    ["null choices", { choices: null }, false],
    ["an error without a code", { error: { message: "overloaded" } }, false],
    ["a temporary error", { error: { code: 529, message: "overloaded" } }, false],
    ["a permanent error", { error: { code: 400, message: "bad" } }, true],
    ["an error whose code is no number", { error: { code: [{ toString: 1 }], message: "bad" } }, false],
    ["an older vLLM's error", { object: "error", message: "bad", code: 40303 }, false],
  ])("%s", (_, raw, final) => {
    const error = failing(raw) as { details: { final?: boolean } };
    expect(error).toMatchObject({ code: "ENDPOINT" });
    expect(error.details.final ?? false).toBe(final);
  });
});

it("reads log-probs, and those that are no numbers as unknown", () => {
  const content = [
    { token: "a", logprob: null, top_logprobs: [{ token: "b", logprob: -1 }, { token: "c" }] },
    { token: "d", logprob: -2 },
  ];
  expect(tokenLogprobs({ content })).toEqual([
    {
      token: "a",
      logprob: undefined,
      alternatives: [
        { token: "b", logprob: -1 },
        { token: "c", logprob: undefined },
      ],
    },
    { token: "d", logprob: -2, alternatives: [] },
  ]);
  expect(tokenLogprobs(null)).toBeUndefined();
  expect(() => tokenLogprobs({ content: [{ logprob: -1 }] })).toThrow(
    /choices\.0\.logprobs\.content\.0\.token/,
  );
});
