/**
 * Few-shot prompts: a task whose prompt begins with solved examples, as turns of the same conversation.
 *
 * The examples are demonstrations, played once against the task's live tools, so that their turns look exactly as the
 * model will see its own: the same tags or calls, the same form of results.
 */
import { ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import type { Action, Context, Policy } from "../policy/policy.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import type { ActionFormat, Trajectory } from "../trajectory/trajectory.js";
import { demonstrationProblem, taggedText, templateCall } from "./demonstrations.js";
import { rollout } from "./rollout.js";
import { rolloutSchema } from "./rollout-options.js";
import { rolloutSetup } from "./rollout-setup.js";
import type { Task } from "./task.js";

type Kind = ActionFormat["kind"];

/**
 * The same task with solved examples in its prompt (few-shot prompting).
 *
 * The first example carries the task's whole prompt; later ones, and the question itself, only ask. The examples work in
 * both action formats. They are part of every state, so training and sampling see them too.
 *
 * @param demonstrations At least one, in the order in which they are shown. {@link readGsm8kDemonstrations} reads some.
 * @throws SwirlError INPUT for a demonstration that its tools do not confirm: a call fails, a result differs, or the
 * answer is not reached; CONFIG for no demonstrations; ABORTED.
 * @example
 * const examples = readGsm8kDemonstrations("train.jsonl", { limit: 4 });
 * const task = await fewShotTask(calculatorTask(calculator()), examples);
 */
export async function fewShotTask(
  task: Task,
  demonstrations: Iterable<Demonstration> | AsyncIterable<Demonstration>,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Task> {
  return await ofArgumentsAsync("fewShotTask", "(task, demonstrations, { signal? })", () =>
    withExamples(task, demonstrations, options),
  );
}

async function withExamples(
  task: Task,
  demonstrations: Iterable<Demonstration> | AsyncIterable<Demonstration>,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<Task> {
  const examples: Example[] = [];
  for await (const demonstration of demonstrations)
    examples.push(await play(task, demonstration, examples.length, signal));
  if (examples.length === 0)
    throw new SwirlError("CONFIG", `task ${task.name}: there is no example`, {
      remedy: "give at least one demonstration, or use the task as it is",
      details: { field: "demonstrations" },
    });
  const followUp = (question: string) => task.followUp?.(question);
  return {
    ...task,
    prompt(question, format, callLimit) {
      const messages: Message[] = [];
      for (const [i, example] of examples.entries()) {
        const again = i === 0 ? undefined : followUp(example.question);
        messages.push(...(again ?? task.prompt(example.question, format, callLimit)));
        messages.push(...turnsOf(example, format.kind));
      }
      messages.push(...(followUp(question) ?? task.prompt(question, format, callLimit)));
      return messages;
    },
  };
}

interface Example {
  question: string;
  /** The turns after the question, or why the tools cannot be used in that format. */
  turns: Record<Kind, Message[] | SwirlError>;
}

function turnsOf({ turns }: Example, kind: Kind): Message[] {
  const found = turns[kind];
  if (found instanceof Error) throw found;
  return found;
}

async function play(
  task: Task,
  demonstration: Demonstration,
  index: number,
  signal: AbortSignal | undefined,
): Promise<Example> {
  const { question } = demonstration;
  const inFormat = async (kind: Kind): Promise<Message[] | SwirlError> => {
    const script = new Script(demonstration, kind, task);
    let setup: ReturnType<typeof rolloutSetup>;
    try {
      const options = rolloutSchema.parse({ format: kind, temperature: 1, seed: 0 });
      setup = rolloutSetup(script, task, options);
    } catch (error) {
      if (SwirlError.isInstance(error)) return error;
      throw error;
    }
    const trajectory = await rollout(question, 0, setup, signal);
    const problem = demonstrationProblem(demonstration, trajectory);
    if (problem === undefined) return messagesOf(trajectory, demonstration, kind, index);
    throw new SwirlError("INPUT", `example ${index + 1} (${question.id}) cannot be replayed: ${problem}`, {
      remedy: "leave this demonstration out, or correct its calls",
      details: { field: `demonstrations[${index}]` },
    });
  };
  const tags = await inFormat("tags");
  // Without tools there are no calls, and both formats are the same.
  return {
    question: question.question,
    turns: { tags, "chat-template": task.tools.length === 0 ? tags : await inFormat("chat-template") },
  };
}

function messagesOf(
  { steps }: Trajectory,
  demonstration: Demonstration,
  kind: Kind,
  index: number,
): Message[] {
  return steps.flatMap(({ text, call, observation }, i): Message[] => {
    if (!observation) return [{ role: "assistant", content: text }];
    if (kind === "tags" || !call)
      return [
        { role: "assistant", content: text },
        { role: "user", content: observation.text },
      ];
    const id = `example-${index}-${i}`;
    return [
      { role: "assistant", content: demonstration.steps[i]!.thought, toolCalls: [{ id, ...call }] },
      { role: "tool", content: observation.text, toolCallId: id },
    ];
  });
}

/** A policy without tokens that says what the demonstration says. */
class Script implements Policy {
  readonly id = "demonstration";
  readonly exact = false;
  readonly contextLength = Number.POSITIVE_INFINITY;
  #next = 0;

  constructor(
    private readonly demonstration: Demonstration,
    private readonly kind: Kind,
    private readonly task: Task,
  ) {}

  begin(messages: readonly Message[]): Context {
    return { messages };
  }

  extend(context: Context, action: Action, observation: Message): Context {
    return { messages: [...context.messages, { role: "assistant", content: action.text }, observation] };
  }

  async act(): Promise<Action[]> {
    const { steps, conclusion = "", answer } = this.demonstration;
    const step = steps[this.#next++];
    if (!step) return [{ text: taggedText(conclusion, this.task.answerTag, answer), finishReason: "stop" }];
    if (this.kind === "chat-template")
      return [{ text: step.thought, toolCalls: [templateCall(this.task, step.call)], finishReason: "eos" }];
    const tool = this.task.tools.find(({ name }) => name === step.call.name);
    const tag = tool?.tag ?? step.call.name;
    return [{ text: taggedText(step.thought, tag, step.call.input), finishReason: "stop" }];
  }

  async dispose(): Promise<void> {}
}
