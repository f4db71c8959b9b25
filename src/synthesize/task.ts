/**
 * A task: how questions of one kind are solved and checked. It holds the prompt, the tags, the call limit, the tools,
 * and the matcher that compares an answer with the accepted ones.
 */

import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { type AiSdkTool, toolList } from "../tools/ai-sdk-tools.js";
import type { AnyTool } from "../tools/tool.js";
import type { ActionFormat } from "../trajectory/trajectory.js";
import { actionFormat } from "./action-format.js";
import { followUp, type PromptWording, taskPrompt } from "./prompts.js";

/** How questions of one kind are solved and checked. Made by {@link defineTask}, {@link searchTask}, {@link calculatorTask}. */
export interface Task {
  /** Names the task in errors and records. */
  readonly name: string;
  /** The tools that the policy may call. */
  readonly tools: readonly AnyTool[];
  /** Tool calls that a trajectory may make. */
  readonly callLimit: number;
  /** The tag of the answer, without angle brackets. */
  readonly answerTag: string;
  /** Compares an answer with the accepted ones. */
  readonly matcher: AnswerMatcher;
  /** The messages of the first state. */
  prompt(question: string, format: ActionFormat, callLimit: number): Message[];
  /** The messages that ask a further question where the rules have been given already; see {@link fewShotTask}. */
  followUp?(question: string): Message[];
}

/** Options of {@link defineTask}. */
export interface TaskOptions {
  /** Names the task in errors and records. */
  name: string;
  /** The tools that the policy may call: a list, or a record of AI SDK tools. Empty only with `callLimit: 0`. */
  tools: readonly AnyTool[] | Readonly<Record<string, AiSdkTool>>;
  /** Tool calls that a trajectory may make: an integer, 0 or more. */
  callLimit: number;
  /** Compares an answer with the accepted ones. */
  matcher: AnswerMatcher;
  /**
   * The tag of the answer, without angle brackets: letters, digits, _ and -.
   * @default "answer"
   */
  answerTag?: string;
  /** Words of the default prompt. Not allowed together with `prompt`, which would ignore them. */
  wording?: PromptWording;
  /** Builds the prompt, in place of the default one. */
  prompt?: Task["prompt"];
}

/**
 * Defines a task.
 *
 * @throws SwirlError CONFIG for two tools of one name, clashing tags, a call limit without tools or tools without
 * calls, and `wording` together with `prompt`.
 * @example
 * const task = defineTask({ name: "weather", tools: [weather], callLimit: 3, matcher: exactMatcher() });
 */
export function defineTask(options: TaskOptions): Task {
  return ofArguments("defineTask", "{ name, tools, callLimit, matcher, … }", () => {
    const { name, callLimit, matcher, answerTag = "answer", wording, prompt } = options;
    const tools = toolList(options.tools);
    const fail = (field: string, what: string, remedy: string): never => {
      throw new SwirlError("CONFIG", `task ${name}: ${what}`, { remedy, details: { field } });
    };
    if (!Number.isInteger(callLimit) || callLimit < 0) {
      fail(
        "callLimit",
        `callLimit ${callLimit} is not a count`,
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
      ...(prompt
        ? {}
        : { followUp: (question) => ofArguments("followUp", "(question)", () => followUp(question)) }),
      prompt:
        prompt ??
        ((question, format, limit) =>
          ofArguments("prompt", "(question, format, callLimit)", () =>
            taskPrompt({ question, tools, format, callLimit: limit, wording: wording ?? {} }),
          )),
    };
  });
}
