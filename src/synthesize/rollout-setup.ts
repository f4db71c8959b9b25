/** Policy, task, format and options of a rollout, checked for compatibility once. */

import { inspect } from "node:util";
import { messageOf } from "../errors/message-of.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { beginContext } from "../policy/ask-policy.js";
import { opensThought } from "../policy/opens-thought.js";
import type { Policy } from "../policy/policy.js";
import type { ActionFormat } from "../trajectory/trajectory.js";
import { actionFormat } from "./action-format.js";
import type { RolloutSettings } from "./rollout-options.js";
import { requireTagInput, toolSpec } from "./run-call.js";
import type { Task } from "./task.js";

export interface RolloutSetup {
  policy: Policy;
  task: Task;
  format: ActionFormat;
  callLimit: number;
  options: RolloutSettings;
}

/** @throws SwirlError CONFIG when policy, task and options cannot work together. */
export function rolloutSetup(policy: Policy, task: Task, options: RolloutSettings): RolloutSetup {
  const callLimit = options.callLimit ?? task.callLimit;
  const refuse = (field: string, what: string, remedy: string): never => {
    throw new SwirlError("CONFIG", `${field}: ${what}`, { remedy, details: { field } });
  };
  if (options.maxObservationTokens !== undefined && !policy.exact) {
    refuse("maxObservationTokens", "this policy has no tokens to count", "use maxObservationChars");
  }
  if (task.tools.length === 0) {
    if (callLimit > 0)
      refuse("callLimit", `the task ${task.name} has no tools to call`, "leave callLimit out");
    if (options.format === "chat-template") refuse("format", "the task has no tools", 'use format: "tags"');
  }
  if (options.maxNewTokens >= policy.contextLength) {
    refuse(
      "maxNewTokens",
      `${options.maxNewTokens} leaves no room in a context of ${policy.contextLength}`,
      "lower it",
    );
  }
  if (options.format === "tags") task.tools.forEach(requireTagInput);
  const format = actionFormat(options.format, task.tools, task.answerTag);
  if (format.kind === "chat-template" && ignoresTools(policy, promptOf(task, "?", format, callLimit), task)) {
    refuse("format", "the chat template of this model does not show tools", 'use format: "tags"');
  }
  const tools = format.kind === "chat-template" ? task.tools.map(toolSpec) : undefined;
  if (
    policy.exact &&
    opensThought(policy, beginContext(policy, promptOf(task, "?", format, callLimit), tools))
  ) {
    format.opensThought = true;
  }
  return { policy, task, format, callLimit, options };
}

/** The messages of the first state. @throws SwirlError CONFIG when the task's prompt throws, or gives anything else. */
export function promptOf(task: Task, question: string, format: ActionFormat, callLimit: number): Message[] {
  const fail = (what: string, cause?: unknown) =>
    new SwirlError("CONFIG", `task ${task.name}: prompt() ${what}`, {
      remedy: 'return messages: [{ role: "user", content: "…" }]',
      details: { field: "task.prompt" },
      cause,
    });
  let prompt: unknown;
  try {
    prompt = task.prompt(question, format, callLimit);
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    throw fail(`threw: ${messageOf(cause)}`, cause);
  }
  const isMessage = (value: unknown) => {
    const { role, content } = (value ?? {}) as Record<string, unknown>;
    return typeof content === "string" && ["system", "user", "assistant", "tool"].includes(role as string);
  };
  if (!Array.isArray(prompt) || prompt.length === 0 || !prompt.every(isMessage)) {
    throw fail(`returned ${inspect(prompt, { depth: 1 }).slice(0, 200)}`);
  }
  return prompt as Message[];
}

/** Whether the prompt is the same with and without tools. False for a policy without tokens, where it is unknown. */
function ignoresTools(policy: Policy, prompt: Message[], task: Task): boolean {
  const shown = beginContext(policy, prompt, task.tools.map(toolSpec)).tokens;
  const plain = beginContext(policy, prompt).tokens;
  return (
    shown !== undefined && plain?.length === shown.length && plain.every((token, i) => token === shown[i])
  );
}
