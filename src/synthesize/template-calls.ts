/**
 * Finds the tool calls that models write as text, each family in its own way:
 *   Qwen 2.5/3, Hermes, SmolLM    <tool_call>{"name": …, "arguments": {…}}</tool_call>; <tools>, <function_call>, <|tool_call|>
 *   Qwen3-Coder                   <function=name><parameter=key>value</parameter></function>, with or without <tool_call>
 *   Llama 3.1, with a prompt      <function=name>{…}</function>
 *   Mistral                       [TOOL_CALLS][{"name": …, "arguments": {…}}], [TOOL_CALLS]name[ARGS]{…}
 *   Llama 3.x                     <|python_tag|>{"name": …, "parameters": {…}}, with or without the token
 *   Qwen2.5-Coder and others      the JSON in a fenced block or bare, at the end of the response
 *
 * A call between marks is a call. JSON without marks is one only where the response ends with it and the words before
 * it do not announce an example. A closing mark may be missing at the end of a response that the model itself ended.
 */
import type { ToolCall } from "../messages/message.js";
import { argumentsText, readWritten, type Written } from "./call-arguments.js";

/** "unreadable": marked as a call that cannot be read for certain. "cut-off": the text ends within a call. */
export type FoundCalls = ToolCall[] | "unreadable" | "cut-off";

export interface CallText {
  /** Without thoughts. */
  text: string;
  /** Whether the token limit ended it. */
  truncated: boolean;
  tools: readonly string[];
}

/** Marks that a server may leave at the end of a turn. */
const END_OF_TURN =
  /(?:\s|<\/s>|<\|im_end\|>|<\|eot_id\|>|<\|eom_id\|>|<\|endoftext\|>|<end_of_turn>|<\|end\|>|<\|call\|>)+$/;

const MARKS: readonly (readonly [open: string, close: string])[] = [
  ["<tool_call>", "</tool_call>"],
  ["<tools>", "</tools>"],
  ["<function_call>", "</function_call>"],
  ["<functioncall>", "</functioncall>"],
  ["<|tool_call|>", "<|/tool_call|>"],
];

export function templateCalls({ text, truncated, tools }: CallText): FoundCalls {
  const said = text.replace(END_OF_TURN, "");
  for (const [open, close] of MARKS) {
    if (said.includes(open)) return markedCalls(said, open, close, truncated);
  }
  if (/<function=/.test(said)) return functionCalls(said, truncated);
  if (said.includes("[TOOL_CALLS]")) return mistralCalls(said, truncated);
  const tag = said.indexOf("<|python_tag|>");
  if (tag >= 0) return wholeJson(said.slice(tag + "<|python_tag|>".length), truncated);
  return unmarkedCall(said, tools);
}

function markedCalls(text: string, open: string, close: string, truncated: boolean): FoundCalls {
  const calls: ToolCall[] = [];
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at)) {
    at += open.length;
    const body = at + /^\s*(?:```(?:json)?)?\s*/.exec(text.slice(at))![0].length;
    let end: number;
    if (text.startsWith("<function=", body)) {
      const stop = text.indexOf(close, body);
      if (stop < 0 && truncated) return "cut-off";
      end = stop < 0 ? text.length : stop;
      const inner = functionCalls(text.slice(body, end), truncated && stop < 0);
      if (typeof inner === "string") return inner;
      calls.push(...inner);
    } else {
      const json = readWritten(text, body);
      if (!json) return truncated ? "cut-off" : "unreadable";
      const read = toCalls(json.value);
      if (!read) return "unreadable";
      calls.push(...read);
      end = json.end;
    }
    const rest = /^\s*(?:```)?\s*/.exec(text.slice(end))![0].length + end;
    if (text.startsWith(close, rest)) at = rest + close.length;
    else if (rest === text.length && truncated) return "cut-off";
    else if (rest === text.length || text.startsWith(open, rest)) at = rest;
    else return "unreadable";
  }
  return calls;
}

/** <function=name> with parameters, or with one JSON object. */
function functionCalls(text: string, truncated: boolean): FoundCalls {
  const calls: ToolCall[] = [];
  const parts = text.split(/<function=/).slice(1);
  for (const [index, part] of parts.entries()) {
    const name = /^\s*["']?([\w.-]+)["']?\s*>/.exec(part);
    const stop = part.lastIndexOf("</function>");
    if (stop < 0 && truncated) return "cut-off";
    // Only the last call may lack its closing mark. Between calls, only <tool_call> tags may stand.
    const after = stop < 0 ? "" : part.slice(stop + "</function>".length).trim();
    if (
      !name ||
      (stop < 0 && index < parts.length - 1) ||
      !/^(?:<\/tool_call>)?\s*(?:<tool_call>)?$/.test(after)
    ) {
      return "unreadable";
    }
    const input = functionInput(part.slice(name[0].length, stop < 0 ? part.length : stop));
    if (input === undefined) return "unreadable";
    calls.push({ name: name[1]!, input });
  }
  return calls;
}

function functionInput(body: string): string | undefined {
  if (body.trim() === "") return "{}";
  const json = readWritten(body);
  if (json) return body.slice(json.end).trim() === "" ? argumentsText(json.value) : undefined;
  const values = new Map<string, string>();
  const parts = body.split(/<parameter=/);
  if (parts[0]!.trim() !== "") return undefined;
  for (const part of parts.slice(1)) {
    const match = /^\s*["']?([^>"'\s]+)["']?\s*>\n?([\s\S]*?)\n?(?:<\/parameter>\s*)?$/.exec(part);
    if (!match || values.has(match[1]!)) return undefined;
    values.set(match[1]!, match[2]!);
  }
  // Values are text here; a tool whose schema wants another type reads it from the text (see runCall).
  const fields = [...values].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `{${fields.join(",")}}`;
}

function mistralCalls(text: string, truncated: boolean): FoundCalls {
  const calls: ToolCall[] = [];
  for (const part of text.split("[TOOL_CALLS]").slice(1)) {
    const named = /^\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*[\w-]+\s*)?(?:\[ARGS\])?\s*(?=\{)/.exec(part);
    const json = readWritten(part, named?.[0].length ?? 0);
    if (!json) return truncated ? "cut-off" : "unreadable";
    if (part.slice(json.end).trim() !== "") return "unreadable";
    const input = named ? argumentsText(json.value) : undefined;
    const read = named
      ? input === undefined
        ? undefined
        : [{ name: named[1]!, input }]
      : toCalls(json.value);
    if (!read) return "unreadable";
    calls.push(...read);
  }
  return calls;
}

function wholeJson(text: string, truncated: boolean): FoundCalls {
  const json = readWritten(text);
  if (!json) return truncated ? "cut-off" : "unreadable";
  return text.slice(json.end).trim() === "" ? (toCalls(json.value) ?? "unreadable") : "unreadable";
}

/** Words that announce JSON as an example, not as a call. */
const TALK = new RegExp(
  [
    "\\b(?:examples?|e\\.g|for instance|such as|would|could have|format|syntax|schema|looks? like|like this)\\b",
    "\\b(?:if (?:I|we|you)|instead of|previous(?:ly)?|returned|sample|template)\\b",
    "(?:\\bnot|n't|n’t|\\bnever|\\bcannot|\\bavoid|\\bwithout)(?: \\w+){0,3} (?:call|us(?:e|ing)|writ|send|search|run|mak|need)",
  ].join("|"),
  "i",
);

/** The call in JSON at the end of the response, fenced or bare. None when it is not a call, or only an example. */
function unmarkedCall(text: string, tools: readonly string[]): FoundCalls {
  const fenced = /^([\s\S]*?)```(?:json|tool_call|tool_code)?\s*\n?([\s\S]*?)\s*```$/.exec(text);
  const found = fenced ? { before: fenced[1]!, body: fenced[2]! } : bareJson(text);
  if (!found) return [];
  const json = readWritten(found.body);
  if (!json || found.body.slice(json.end).trim() !== "")
    return looksLikeCall(found.before, found.body) ? "unreadable" : [];
  const calls = toCalls(json.value);
  if (!calls) return [];
  if (found.before.trim() !== "" && !calls.every(({ name }) => tools.includes(name))) return [];
  if (TALK.test(lastParagraph(found.before)) || /(?:[`"'“]|(?:^|\n)\s*>)\s*$/.test(found.before)) return [];
  // Another call comes before it, and it is not certain which of them was meant.
  if (/\{\s*"(?:name|function|type)"\s*:/.test(found.before)) return "unreadable";
  return calls;
}

/** Splits the text where the JSON object or list at its end begins. */
function bareJson(text: string): { before: string; body: string } | undefined {
  const trimmed = text.trimEnd();
  if (!/[}\]]$/.test(trimmed) && !/^\s*[[{]/.test(text)) return undefined;
  for (const match of trimmed.matchAll(/\[?\s*\{\s*"(?:name|type|function)"\s*:/g)) {
    const json = readWritten(trimmed, match.index);
    if (json?.end === trimmed.length || match.index === trimmed.search(/\S/)) {
      return { before: trimmed.slice(0, match.index), body: trimmed.slice(match.index) };
    }
  }
  return undefined;
}

function looksLikeCall(before: string, body: string): boolean {
  return before.trim() === "" && /^\s*\[?\s*\{\s*"(?:name|type|function)"\s*:/.test(body);
}

function lastParagraph(text: string): string {
  return text
    .trimEnd()
    .split(/\n\s*\n/)
    .at(-1)!;
}

/** The calls in a JSON value; undefined when it holds anything else. */
function toCalls(value: Written): ToolCall[] | undefined {
  const calls = (value.items ?? [value]).map(toCall);
  return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
}

function toCall({ fields }: Written): ToolCall | undefined {
  const called = fields?.get("function");
  const own = called?.fields ?? fields;
  const name = called?.string ?? own?.get("name")?.string;
  if (!own || name === undefined) return undefined;
  const given = ["arguments", "parameters"].filter((key) => own.has(key));
  if (given.length > 1) return undefined;
  // Without arguments it is a call only when it has no other keys than those of a call.
  if (
    given.length === 0 &&
    ![...own.keys()].every((key) => ["name", "type", "function", "id"].includes(key))
  ) {
    return undefined;
  }
  const input = argumentsText(given[0] === undefined ? undefined : own.get(given[0]));
  return input === undefined ? undefined : { name, input };
}
