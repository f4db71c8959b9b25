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

  test("a thought is no action, whatever it holds", () => {
    const drafted = "<think>maybe <search_query>a</search_query> or <answer>b</answer></think> So ";
    expect(parse(`${drafted}<search_query>c</search_query>`)).toMatchObject({
      kind: "call",
      call: { name: "search", input: "c" },
      text: `${drafted}<search_query>c</search_query>`,
      shown: "<search_query>c</search_query>",
    });
    expect(parse("or <answer>b</answer>?</think><answer>d</answer>")).toMatchObject({ answer: "d" });
    expect(parse("<answer>d</answer><think>and <answer>e</answer>")).toMatchObject({ answer: "d" });
    expect(parse("<think><answer>b</answer>")).toMatchObject({ kind: "malformed", reason: "thought" });
    const opened = { ...tags, opensThought: true };
    const action = { text: "<answer>b</answer>", finishReason: "stop" as const };
    expect(parseAction(action, opened, tools)).toMatchObject({ kind: "malformed", reason: "thought" });
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
    expect(() => actionFormat("tags", [tool("a b")])).toThrow(/not a plain name/);
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

  test.each([
    [
      "arguments",
      '<tool_call>{"name": "search", "arguments": {"q": "x"}, "arguments": {"q": "y"}}</tool_call>',
    ],
    ["name", '<tool_call>{"name": "search", "name": "calculator", "arguments": {}}</tool_call>'],
    ["parameter", '<tool_call>{"name": "search", "arguments": {"q": "x", "q": "y"}}</tool_call>'],
  ])("a call that gives its %s twice cannot be read for certain", (_, text) => {
    expect(parseTemplate(text)).toMatchObject({ kind: "malformed", reason: "bad-json" });
  });

  test.each([
    ["in a fenced block", '```json\n{"name": "search", "arguments": {"q": "x"}}\n```'],
    [
      "in a fenced block after words",
      'I need this.\n```\n{"name": "search", "arguments": {"q": "x"}}\n```\n',
    ],
    ["bare after words", 'I will search for it.\n\n{"name": "search", "arguments": {"q": "x"}}'],
    ["bare after words with a doubt", 'I do not know it: {"name": "search", "arguments": {"q": "x"}}'],
    ["as a server's object", '{"type": "function", "function": {"name": "search", "arguments": {"q": "x"}}}'],
    ["with the name as function", '{"type": "function", "function": "search", "parameters": {"q": "x"}}'],
    ["in a list", '[{"name": "search", "arguments": {"q": "x"}}]'],
    ["Llama 3.1", '<|python_tag|>{"type": "function", "name": "search", "parameters": {"q": "x"}}<|eom_id|>'],
    ["function tag", '<function=search>{"q": "x"}</function>'],
    [
      "Qwen3-Coder",
      "<tool_call>\n<function=search>\n<parameter=q>\nx\n</parameter>\n</function>\n</tool_call>",
    ],
    ["Qwen3-Coder, bare and open", "<function=search>\n<parameter=q>\nx\n</parameter>"],
    ["Mistral, named", '[TOOL_CALLS]search[ARGS]{"q": "x"}</s>'],
    ["Mistral, with an id", '[TOOL_CALLS]search[CALL_ID]a1B2c3D4e[ARGS]{"q": "x"}'],
    ["Mistral, a list", '[TOOL_CALLS][{"name": "search", "arguments": {"q": "x"}}]</s>'],
    ["no closing tag", '<tool_call>\n{"name": "search", "arguments": {"q": "x"}}'],
    ["an end of turn", '<tool_call>{"name": "search", "arguments": {"q": "x"}}</tool_call><|im_end|>\n'],
    ["<tools>", '<tools>\n{"name": "search", "arguments": {"q": "x"}}\n</tools>'],
    [
      "fenced in the tag",
      '<tool_call>\n```json\n{"name": "search", "arguments": {"q": "x"}}\n```\n</tool_call>',
    ],
    ["encoded twice", '<tool_call>{"name": "search", "arguments": "{\\"q\\": \\"x\\"}"}</tool_call>'],
    ["after a thought", '<think>{"name": "calculator"}</think>{"name": "search", "arguments": {"q": "x"}}'],
    [
      "after a thought that the prompt opened",
      'or <tool_call>{"name": "calculator", "arguments": {}}</tool_call>?</think><tool_call>{"name": "search", "arguments": {"q": "x"}}</tool_call>',
    ],
  ])("a call %s", (_, text) => {
    expect(parseTemplate(text)).toMatchObject({ kind: "call", call: { name: "search", input: '{"q":"x"}' } });
  });

  test.each([
    ['{"name": "search", "arguments": {"q": "</tool_call>"}}', '{"q":"</tool_call>"}'],
    ['{"name": "search"}', "{}"],
    ['{"name": "search", "arguments": null}', "{}"],
    ['{"name": "search", "arguments": ""}', "{}"],
    [
      '{"name": "search", "arguments": {"2": 1, "1": 12345678901234567890}}',
      '{"2":1,"1":12345678901234567890}',
    ],
  ])("the arguments of %s", (call, input) => {
    expect(parseTemplate(`<tool_call>${call}</tool_call>`)).toMatchObject({
      call: { name: "search", input },
    });
  });

  test.each(["", "null", '"{}"', "{}"])("reported arguments %j mean none", (input) => {
    const action = { text: "", finishReason: "eos" as const, toolCalls: [{ name: "search", input }] };
    expect(parseAction(action, template, tools)).toMatchObject({ call: { name: "search", input: "{}" } });
  });

  test("an answer between its tags", () => {
    expect(parseTemplate("<answer>42</answer>")).toMatchObject({ kind: "answer", answer: "42" });
  });

  test.each([
    ['<tool_call>{"name": "search"</tool_call>', "eos", "bad-json"],
    ['<tool_call>{"name": "search", "arguments": "who?"}</tool_call>', "eos", "bad-json"],
    ['<tool_call>{"name": "search", "arguments": {}} and more</tool_call>', "eos", "bad-json"],
    ['<tool_call>{"name": "search", "arguments": {}}', "length", "cut-off"],
    ['<tool_call>{"name": "search", "arguments": {}, "parameters": {"q": 1}}</tool_call>', "eos", "bad-json"],
    ["<function=search><parameter=q>a</parameter><parameter=q>b</parameter></function>", "eos", "bad-json"],
    ["<function=search><parameter=q>a", "length", "cut-off"],
    ["<function=nope></function>", "eos", "unknown-tool"],
    ["[TOOL_CALLS]search[ARGS]{", "length", "cut-off"],
    ["[TOOL_CALLS]search[ARGS]{} and so on", "eos", "bad-json"],
    ['{"name": "nope", "arguments": {}}', "eos", "unknown-tool"],
    [
      '[{"name": "search", "arguments": {"q": 1}}, {"name": "calculator", "arguments": {}}]',
      "eos",
      "several",
    ],
    ['{"name": "search", "arguments": {}}\n{"name": "calculator", "arguments": {}}', "eos", "bad-json"],
    ['For example: {"name": "search", "arguments": {}}', "eos", "no-tag"],
    ['A call looks like this:\n```json\n{"name": "search", "arguments": {}}\n```', "eos", "no-tag"],
    ['I would not use {"name": "search", "arguments": {}}', "eos", "no-tag"],
    ['```json\n{"name": "search", "arguments": {}}\n```\nThat is the format.', "eos", "no-tag"],
    ['Never write `{"name": "search", "arguments": {}}`', "eos", "no-tag"],
    ['The town is {"name": "Paris"}', "eos", "no-tag"],
    ['The record is {"name": "search", "population": 2}', "eos", "no-tag"],
    ['<think><tool_call>{"name": "search", "arguments": {}}</tool_call>', "eos", "thought"],
    ['<think><tool_call>{"name": "search", "arguments": {}}</tool_call>', "length", "cut-off"],
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
