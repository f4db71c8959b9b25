/**
 * Reads one action: a call or the answer, never both. Pure; the same reading for logged and fresh actions.
 *
 * In the tag format the action ends at its first closing tag; what a policy wrote after it is no part of the action
 * (stop strings cut it while sampling; an endpoint may not honour them). A response that opens more than one tag is
 * malformed, so that a call quoted in a thought is never executed by accident.
 */

import type { ToolCall } from "../messages/message.js";
import type { Action } from "../policy/policy.js";
import type { ActionFormat } from "../trajectory/trajectory.js";
import { templateCalls } from "./template-calls.js";

export type MalformedReason =
  | "empty" // no text at all
  | "no-tag" // text, but neither a call nor an answer
  | "unclosed" // a tag was opened and never closed
  | "cut-off" // the token limit came before the closing tag
  | "both" // a call and an answer in one response
  | "several" // more than one call, or more than one answer
  | "empty-call"
  | "empty-answer"
  | "bad-json" // a template call whose JSON cannot be read
  | "unknown-tool"; // a template call of a tool that is not there

export type ParsedAction =
  /** `shown`: the bare call or answer, without the chain of thought before it. `text`: up to the end of the action. */
  | { kind: "call"; text: string; shown: string; call: { name: string; input: string } }
  | { kind: "answer"; text: string; shown: string; answer: string }
  | { kind: "malformed"; text: string; reason: MalformedReason; message: string };

export type ActionText = Pick<Action, "text" | "toolCalls" | "finishReason">;

export function parseAction(
  action: ActionText,
  format: ActionFormat,
  tools: readonly string[],
): ParsedAction {
  if (format.kind === "tags") return parseTags(action, format);
  const calls = action.toolCalls?.length ? [...action.toolCalls] : templateCalls(action.text);
  return calls === undefined || calls.length > 0
    ? parseTemplateCalls(action, format, calls, tools)
    : parseTags(action, format);
}

function parseTags(action: ActionText, format: ActionFormat): ParsedAction {
  const tags = new Map(Object.entries(format.callTags).map(([tool, tag]) => [tag, tool]));
  const names = [...tags.keys(), format.answerTag].join("|");
  const closing = new RegExp(`</(${names})>`).exec(action.text);
  const text = closing ? action.text.slice(0, closing.index + closing[0].length) : action.text;
  const opened = [...text.matchAll(new RegExp(`<(${names})>`, "g"))];
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
    if (text.trim() === "") return malformed("empty", "The response was empty.");
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
  const inner = text.slice(last.index + last[0].length, closing.index).trim();
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

function parseTemplateCalls(
  action: ActionText,
  format: ActionFormat,
  calls: ToolCall[] | undefined,
  tools: readonly string[],
): ParsedAction {
  const { text } = action;
  const malformed = (reason: MalformedReason, message: string): ParsedAction => ({
    kind: "malformed",
    text,
    reason,
    message,
  });
  if (calls === undefined) {
    return action.finishReason === "length"
      ? malformed("cut-off", "The response was cut off within a tool call.")
      : malformed("bad-json", "The tool call was not valid JSON with a name and arguments.");
  }
  if (text.includes(`<${format.answerTag}>`)) {
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
  try {
    JSON.parse(input);
  } catch {
    return malformed("bad-json", "The arguments of the tool call were not valid JSON.");
  }
  const shown = `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${input}}\n</tool_call>`;
  // An endpoint reports its calls beside the text: the record has to hold them all the same.
  const written = !action.toolCalls?.length || (templateCalls(text)?.length ?? 0) > 0;
  const whole = written ? text : [text.trim(), shown].filter((part) => part !== "").join("\n");
  return { kind: "call", text: whole, shown, call: { name, input } };
}
