import { describe, expect, test } from "vitest";
import type { ActionFormat } from "../trajectory/trajectory.js";
import { actionFormat, stopStrings } from "./action-format.js";
import { parseAction } from "./parse-action.js";

const tags: ActionFormat = { kind: "tags", callTags: { search: "search_query" }, answerTag: "answer" };
const template: ActionFormat = { kind: "chat-template", callTags: {}, answerTag: "answer" };
const tools = ["search", "calculator"];
const parse = (text: string, finishReason: "stop" | "eos" | "length" = "stop") =>
  parseAction({ text, finishReason }, tags, tools);
const parseTemplate = (text: string, finishReason: "stop" | "eos" | "length" = "eos") =>
  parseAction({ text, finishReason }, template, tools);

describe("tags", () => {
  test("a call after a thought", () => {
    expect(parse("I need it.\n<search_query> who? </search_query>")).toEqual({
      kind: "call",
      text: "I need it.\n<search_query> who? </search_query>",
      shown: "<search_query> who? </search_query>",
      call: { name: "search", input: "who?" },
    });
  });

  test("an answer", () => {
    expect(parse("So: <answer>Paris\n</answer>")).toMatchObject({ kind: "answer", answer: "Paris" });
  });

  test("what follows the first closing tag is no part of the action", () => {
    expect(parse("<search_query>a</search_query> a -> b <answer>b</answer>")).toMatchObject({
      kind: "call",
      text: "<search_query>a</search_query>",
    });
  });

  test.each([
    ["", "eos", "empty"],
    ["  \n", "eos", "empty"],
    ["I do not know.", "eos", "no-tag"],
    ["</answer>", "stop", "no-tag"],
    ["<answer>Par", "eos", "unclosed"],
    ["<search_query>x</answer>", "stop", "unclosed"],
    ["thinking and thin", "length", "cut-off"],
    ["<answer>Par", "length", "cut-off"],
    ["<answer> <search_query>x</search_query>", "stop", "both"],
    ["<search_query> <search_query>x</search_query>", "stop", "several"],
    ["<search_query>  </search_query>", "stop", "empty-call"],
    ["<answer></answer>", "stop", "empty-answer"],
  ] as const)("%j (%s) is malformed: %s", (text, finishReason, reason) => {
    expect(parse(text, finishReason)).toMatchObject({ kind: "malformed", reason });
  });

  test("an action that closed its tag before the limit is whole", () => {
    expect(parse("<answer>x</answer>", "length")).toMatchObject({ kind: "answer", answer: "x" });
  });

  test("every tool has its tag, and every tag its stop string", () => {
    const two: ActionFormat = { kind: "tags", callTags: { a: "x", b: "y" }, answerTag: "answer" };
    expect(parseAction({ text: "<y>1</y>", finishReason: "stop" }, two, ["a", "b"])).toMatchObject({
      call: { name: "b", input: "1" },
    });
    expect(stopStrings(two)).toEqual(["</x>", "</y>", "</answer>"]);
  });

  test("clashing and unusable tags are refused", () => {
    const tool = (tag: string) => ({ name: tag, tag }) as never;
    expect(() => actionFormat("tags", [tool("answer")])).toThrow(/<answer> is used twice/);
    expect(() => actionFormat("tags", [tool("a b")])).toThrow(/no plain name/);
  });
});

describe("chat-template", () => {
  test("calls as Qwen, Hermes and SmolLM write them", () => {
    expect(
      parseTemplate(
        'Let me look.\n<tool_call>\n{"name": "search", "arguments": {"query": "x"}}\n</tool_call>',
      ),
    ).toEqual({
      kind: "call",
      text: 'Let me look.\n<tool_call>\n{"name": "search", "arguments": {"query": "x"}}\n</tool_call>',
      shown: '<tool_call>\n{"name": "search", "arguments": {"query":"x"}}\n</tool_call>',
      call: { name: "search", input: '{"query":"x"}' },
    });
  });

  test("calls as Llama 3 and Mistral write them", () => {
    expect(parseTemplate('{"name": "search", "parameters": {"query": "x"}}')).toMatchObject({
      call: { name: "search", input: '{"query":"x"}' },
    });
    expect(parseTemplate('[TOOL_CALLS] [{"name": "calculator", "arguments": {"e": "1"}}]')).toMatchObject({
      call: { name: "calculator", input: '{"e":"1"}' },
    });
  });

  test("calls that an endpoint reports beside the text are written into the record's text", () => {
    const action = {
      text: "",
      finishReason: "eos" as const,
      toolCalls: [{ id: "c1", name: "search", input: '{"query":"x"}' }],
    };
    expect(parseAction(action, template, tools)).toMatchObject({
      kind: "call",
      text: '<tool_call>\n{"name": "search", "arguments": {"query":"x"}}\n</tool_call>',
      call: { name: "search", input: '{"query":"x"}' },
    });
  });

  test("an answer between its tags", () => {
    expect(parseTemplate("<answer>42</answer>")).toMatchObject({ kind: "answer", answer: "42" });
  });

  test.each([
    ['<tool_call>{"name": "search"</tool_call>', "eos", "bad-json"],
    ['<tool_call>{"name": "search"}</tool_call>', "eos", "bad-json"],
    ['<tool_call>{"name": "sea', "length", "cut-off"],
    ['<tool_call>{"name": "nope", "arguments": {}}</tool_call>', "eos", "unknown-tool"],
    [
      '<tool_call>{"name": "search", "arguments": {}}</tool_call><tool_call>{"name": "search", "arguments": {}}</tool_call>',
      "eos",
      "several",
    ],
    ['<answer>1</answer><tool_call>{"name": "search", "arguments": {}}</tool_call>', "eos", "both"],
    ["just text", "eos", "no-tag"],
  ] as const)("%j (%s) is malformed: %s", (text, finishReason, reason) => {
    expect(parseTemplate(text, finishReason)).toMatchObject({ kind: "malformed", reason });
  });

  test("arguments that are no JSON are malformed", () => {
    const action = { text: "", finishReason: "eos" as const, toolCalls: [{ name: "search", input: "{bad" }] };
    expect(parseAction(action, template, tools)).toMatchObject({ kind: "malformed", reason: "bad-json" });
  });
});
