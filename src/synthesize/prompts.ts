/**
 * The prompt of stage 1. It states what the prompt in the SWiRL paper states (arXiv 2504.04736, appendix), in our own
 * words: how to write a call, how many calls are allowed, that no query may repeat, what results look like, that a
 * response holds either one call or the answer, and that the answer is a few words.
 *
 * It is one user message without a system message, because Gemma's chat template has no system role.
 */
import type { Message } from "../messages/message.js";
import type { AnyTool } from "../tools/tool.js";
import type { ActionFormat } from "../trajectory/trajectory.js";

/** The words that a task puts into the default prompt. */
export interface PromptWording {
  /**
   * The first line: what to do.
   * @default "Answer the question below."
   */
  introduction?: string;
  /**
   * What the rules call one call, such as "search".
   * @default "tool call"
   */
  call?: string;
  /** Plural of `call`. Default: `call` with an s. */
  calls?: string;
  /**
   * What must not be repeated, such as "query".
   * @default "input"
   */
  input?: string;
  /**
   * The form of a result, such as "QUERY -> RESULT".
   * @default "CALL -> RESULT"
   */
  example?: string;
  /**
   * The form of the answer, as a sentence.
   * @default "The answer itself is a few words, without an explanation."
   */
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

/** A further question in a conversation that began with {@link taskPrompt}. */
export function followUp(question: string): Message[] {
  return [{ role: "user", content: `Question: ${question}` }];
}

function callRule(tool: AnyTool, tag: string): string {
  const what = tool.description.trim().replace(/\.?$/, ".");
  return `Tool ${tool.name}: ${what} To use it, write the input between <${tag}> and </${tag}>.`;
}

/** Messages of the environment in place of a result. */
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
