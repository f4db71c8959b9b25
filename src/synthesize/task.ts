/**
 * A task: everything that makes questions of one kind solvable and checkable. What is asked of the model (prompt,
 * tags, number of calls), the tools it may use, and how an answer is compared with the accepted ones.
 */

import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import type { AnyTool } from "../tools/tool.js";
import type { ActionFormat } from "../trajectory/trajectory.js";
import { actionFormat } from "./action-format.js";
import { type PromptWording, taskPrompt } from "./prompts.js";

export interface Task {
  readonly name: string;
  readonly tools: readonly AnyTool[];
  /** Tool calls a trajectory may make. */
  readonly callLimit: number;
  readonly answerTag: string;
  readonly matcher: AnswerMatcher;
  prompt(question: string, format: ActionFormat, callLimit: number): Message[];
}

export interface TaskOptions {
  name: string;
  tools: readonly AnyTool[];
  callLimit: number;
  matcher: AnswerMatcher;
  answerTag?: string; // default "answer"
  /** The words of the default prompt; ignored by a `prompt` of your own, so giving both is an error. */
  wording?: PromptWording;
  /** Builds the whole prompt instead. */
  prompt?: Task["prompt"];
}

/** @throws SwirlError CONFIG: tools of the same name, clashing tags, a call limit without tools, wording beside prompt. */
export function defineTask(options: TaskOptions): Task {
  const { name, tools, callLimit, matcher, answerTag = "answer", wording, prompt } = options;
  const fail = (field: string, what: string, remedy: string): never => {
    throw new SwirlError("CONFIG", `task ${name}: ${what}`, { remedy, details: { field } });
  };
  if (!Number.isInteger(callLimit) || callLimit < 0) {
    fail(
      "callLimit",
      `callLimit ${callLimit} is no count`,
      "give the number of tool calls a trajectory may make",
    );
  }
  if (callLimit > 0 && tools.length === 0) {
    fail("tools", `${callLimit} calls but no tool to call`, "give at least one tool, or callLimit 0");
  }
  if (callLimit === 0 && tools.length > 0) {
    fail("callLimit", "tools, but no call of them is allowed", "raise callLimit, or leave the tools out");
  }
  const names = tools.map((tool) => tool.name);
  const twice = names.find((tool, i) => names.indexOf(tool) !== i);
  if (twice !== undefined) fail("tools", `two tools are named ${twice}`, "rename one of them");
  if (wording && prompt)
    fail("wording", "both wording and prompt are given", "keep one: prompt replaces wording");
  actionFormat("tags", tools, answerTag);
  return {
    name,
    tools,
    callLimit,
    answerTag,
    matcher,
    prompt:
      prompt ??
      ((question, format, limit) =>
        taskPrompt({ question, tools, format, callLimit: limit, wording: wording ?? {} })),
  };
}
