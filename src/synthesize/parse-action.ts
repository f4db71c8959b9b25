/**
 * Parses one action: a call or the answer, never both. Pure. Logged and fresh actions are parsed the same way.
 *
 * In the tag format the action ends at its first closing tag. Text after it is not part of the action: stop strings
 * end sampling there, but an endpoint may ignore them. Text inside a thought is never an action. A
 * response that opens more than one tag outside its thoughts is malformed.
 */

import { ofArguments } from "../errors/arguments.js";
import type { ToolCall } from "../messages/message.js";
import { maskThoughts } from "../messages/thought.js";
import type { Action } from "../policy/policy.js";
import type { ActionFormat, RecordedCall } from "../trajectory/trajectory.js";
import { argumentsText, readWritten } from "./call-arguments.js";
import { type FoundCalls, templateCalls } from "./template-calls.js";

/**
 * Why an action is malformed.
 * - "empty": no text.
 * - "no-tag": text, but neither a call nor an answer.
 * - "unclosed": a tag was opened and not closed.
 * - "thought": it ended inside a thought.
 * - "cut-off": the token limit came before the closing tag.
 * - "both": a call and an answer in one response.
 * - "several": more than one call, or more than one answer.
 * - "empty-call", "empty-answer": nothing between the tags.
 * - "bad-json": a template call without readable JSON.
 * - "unknown-tool": a template call of a tool that does not exist.
 */
export type MalformedReason =
  | "empty"
  | "no-tag"
  | "unclosed"
  | "thought"
  | "cut-off"
  | "both"
  | "several"
  | "empty-call"
  | "empty-answer"
  | "bad-json"
  | "unknown-tool";

/** An action that calls a tool. */
export interface ParsedCall {
  /** What the action is. */
  kind: "call";
  /** The text up to the end of the action. */
  text: string;
  /** The bare call, without the chain of thought before it. */
  shown: string;
  /** The call. */
  call: RecordedCall;
}

/** An action that answers. */
export interface ParsedAnswer {
  /** What the action is. */
  kind: "answer";
  /** The text up to the end of the action. */
  text: string;
  /** The bare answer with its tags, without the chain of thought before it. */
  shown: string;
  /** The text between the answer tags, trimmed. Not empty. */
  answer: string;
}

/** An action that is neither one call nor one answer. */
export interface ParsedMalformed {
  /** What the action is. */
  kind: "malformed";
  /** The text up to the end of the action. */
  text: string;
  /** Why it is malformed. */
  reason: MalformedReason;
  /** The reason as a sentence, shown to the model. */
  message: string;
}

/** One parsed action. */
export type ParsedAction = ParsedCall | ParsedAnswer | ParsedMalformed;

/** The parts of an {@link Action} that parsing reads. */
export type ActionText = Pick<Action, "text" | "toolCalls" | "finishReason">;

/**
 * Parses one action into a call, an answer, or a malformed action. Pure.
 *
 * @param tools Names of the tools that a template call may name.
 * @example
 * const format = actionFormat("tags", [calculator()]);
 * parseAction({ text: "<answer>72</answer>", finishReason: "stop" }, format, ["calculator"]);
 * // { kind: "answer", answer: "72", … }
 */
export function parseAction(
  action: ActionText,
  format: ActionFormat,
  tools: readonly string[],
): ParsedAction {
  return ofArguments("parseAction", "(action, format, tools)", () => {
    const said = maskThoughts(action.text, format.opensThought);
    if (format.kind === "tags") return parseTags(action, format, said);
    const calls = action.toolCalls?.length
      ? reportedCalls(action.toolCalls)
      : templateCalls({ text: said.text, truncated: action.finishReason === "length", tools });
    return typeof calls === "string" || calls.length > 0
      ? parseTemplateCalls(action, format, { calls, said: said.text }, tools)
      : parseTags(action, format, said);
  });
}

/** `said.text` is the action's text with its thoughts replaced by blanks, so that positions agree. */
function parseTags(
  action: ActionText,
  format: ActionFormat,
  said: { text: string; unclosed: boolean },
): ParsedAction {
  const tags = new Map(Object.entries(format.callTags).map(([tool, tag]) => [tag, tool]));
  const names = [...tags.keys(), format.answerTag].join("|");
  const closing = new RegExp(`</(${names})>`).exec(said.text);
  const end = closing ? closing.index + closing[0].length : action.text.length;
  const text = action.text.slice(0, end);
  const opened = [...said.text.slice(0, end).matchAll(new RegExp(`<(${names})>`, "g"))];
  const malformed = (reason: MalformedReason, message: string): ParsedAction => ({
    kind: "malformed",
    text,
    reason,
    message,
  });

  const last = opened.at(-1);
  if (!closing || !last || last[1] !== closing[1]) {
    if (action.finishReason === "length" && !closing) {
      return malformed("cut-off", "The response was cut off before it made a call or gave an answer.");
    }
    if (said.unclosed) return malformed("thought", "The response ended before its thought was closed.");
    if (said.text.trim() === "") return malformed("empty", "The response was empty.");
    if (last) return malformed("unclosed", `<${last[1]}> was opened but not closed.`);
    return malformed("no-tag", "The response held neither a call nor an answer between its tags.");
  }
  if (opened.length > 1) {
    const answers = opened.filter((tag) => tag[1] === format.answerTag).length;
    return answers > 0 && answers < opened.length
      ? malformed("both", "The response held a call and an answer; it may hold only one of them.")
      : malformed(
          "several",
          `The response opened ${opened.length} tags; it may hold only one call or answer.`,
        );
  }
  const tag = closing[1]!;
  const inner = said.text.slice(last.index + last[0].length, closing.index).trim();
  const shown = text.slice(last.index);
  if (tag === format.answerTag) {
    return inner === ""
      ? malformed("empty-answer", "The answer was empty.")
      : { kind: "answer", text, shown, answer: inner };
  }
  return inner === ""
    ? malformed("empty-call", `There was nothing between <${tag}> and </${tag}>.`)
    : { kind: "call", text, shown, call: { name: tags.get(tag)!, input: inner } };
}

/** The calls that an endpoint reports apart from the text. Their arguments are read like those of calls in the text. */
function reportedCalls(reported: readonly ToolCall[]): FoundCalls {
  const calls: ToolCall[] = [];
  for (const call of reported) {
    const text = call.input ?? "";
    const json = text.trim() === "" ? undefined : readWritten(text);
    if (text.trim() !== "" && (!json || text.slice(json.end).trim() !== "")) return "unreadable";
    const input = argumentsText(json?.value);
    if (input === undefined) return "unreadable";
    calls.push({ ...call, input });
  }
  return calls;
}

function parseTemplateCalls(
  action: ActionText,
  format: ActionFormat,
  { calls, said }: { calls: FoundCalls; said: string },
  tools: readonly string[],
): ParsedAction {
  const { text } = action;
  const malformed = (reason: MalformedReason, message: string): ParsedAction => ({
    kind: "malformed",
    text,
    reason,
    message,
  });
  if (calls === "cut-off") return malformed("cut-off", "The response was cut off within a tool call.");
  if (calls === "unreadable") {
    return malformed("bad-json", "The tool call could not be read: it needs a name and arguments as JSON.");
  }
  if (said.includes(`<${format.answerTag}>`)) {
    return malformed("both", "The response held a call and an answer; it may hold only one of them.");
  }
  if (calls.length > 1)
    return malformed("several", `The response made ${calls.length} calls; it may make only one.`);
  const { name, input } = calls[0]!;
  if (!tools.includes(name)) {
    return malformed(
      "unknown-tool",
      `There is no tool ${JSON.stringify(name)}; there is ${tools.join(", ")}.`,
    );
  }
  const shown = `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${input}}\n</tool_call>`;
  // An endpoint reports its calls apart from the text, but the recorded text must hold them as well.
  const written =
    !action.toolCalls?.length || templateCalls({ text: said, truncated: false, tools }).length > 0;
  const whole = written ? text : [text.trim(), shown].filter((part) => part !== "").join("\n");
  return { kind: "call", text: whole, shown, call: { name, input } };
}
