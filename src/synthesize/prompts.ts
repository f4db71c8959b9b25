/**
 * The prompt of stage 1: what the SWiRL paper's prompt asks (arXiv 2504.04736, appendix), in our own words. An answer
 * in a few words, how a call is written, how many calls may follow one another, no query twice, what results look
 * like, and either one call or the answer in a response.
 *
 * One user message and no system message: Gemma's template has none.
 */
import type { Message } from "../messages/message.js";
import type { AnyTool } from "../tools/tool.js";
import type { ActionFormat } from "../trajectory/trajectory.js";

export interface PromptWording {
  /** First line: what is to be done. */
  introduction?: string;
  /** What a call is named in the rules: "search", "calculation". */
  call?: string;
  calls?: string;
  /** What may not be repeated: "query", "expression". */
  input?: string;
  /** What a result looks like: "QUERY -> RESULT". */
  example?: string;
  /** What the answer must look like. */
  answer?: string;
}

export interface TaskPromptOptions {
  question: string;
  tools: readonly AnyTool[];
  format: ActionFormat;
  callLimit: number;
  wording: PromptWording;
}

export function taskPrompt({ question, tools, format, callLimit, wording }: TaskPromptOptions): Message[] {
  const call = wording.call ?? "tool call";
  const calls = wording.calls ?? `${call}s`;
  const introduction = wording.introduction ?? "Answer the question below.";
  const answer = wording.answer ?? "The answer itself is a few words, without an explanation.";
  const answerRule = `When you know the answer, write it between <${format.answerTag}> and </${format.answerTag}>. ${answer}`;
  const lines = [introduction, ""];
  if (callLimit > 0) {
    if (format.kind === "tags") {
      for (const tool of tools) lines.push(callRule(tool, format.callTags[tool.name]!));
      const example = wording.example ?? "CALL -> RESULT";
      lines.push(`The next message then shows you the result, as ${example}, and you go on from there.`);
    } else {
      lines.push(
        "Use the tools you have been given. The next message then shows you the result, and you go on from there.",
      );
    }
    lines.push("", "Rules:");
    lines.push(`- At most ${callLimit} ${callLimit === 1 ? call : calls}, one after another.`);
    lines.push(`- Never use the same ${wording.input ?? "input"} twice.`);
    lines.push(`- ${answerRule}`);
    lines.push(
      `- Each response holds either one ${call} or the answer, never both. You may think in it before that.`,
    );
  } else {
    lines.push(answerRule);
  }
  lines.push("", `Question: ${question}`);
  return [{ role: "user", content: lines.join("\n") }];
}

function callRule(tool: AnyTool, tag: string): string {
  const what = tool.description.trim().replace(/\.?$/, ".");
  return `Tool ${tool.name}: ${what} To use it, write the input between <${tag}> and </${tag}>.`;
}

/** What the environment says instead of a result. */
export const notices = {
  malformed: (message: string, format: ActionFormat, callsLeft: number): string =>
    `${message} ${
      callsLeft > 0 ? `Make one call${callForm(format)}, or give` : "Give"
    } the answer between <${format.answerTag}> and </${format.answerTag}>.`,
  repeated: (input: string): string =>
    `You have already made the call ${input}. Make another one, or give the answer.`,
  limit: (format: ActionFormat): string =>
    `No calls are left. Give the answer now, between <${format.answerTag}> and </${format.answerTag}>.`,
};

function callForm(format: ActionFormat): string {
  const tags = Object.values(format.callTags).map((tag) => `<${tag}> and </${tag}>`);
  return tags.length === 0 ? "" : ` between ${tags.join(" or ")}`;
}
