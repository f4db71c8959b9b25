/**
 * Demonstrations as trajectories: what a person (or a dataset's annotation) did step by step, replayed through the
 * rollout of stage 1. Prompt, observations, turns and tokens are exactly those of a rollout in which the policy wrote
 * these actions, so SFT and RL share one format.
 *
 * Nothing was sampled: each token's recorded log-prob is 0, that of a demonstrator who always writes it.
 */
import { z } from "zod";
import { answerNumber } from "../answers/index.js";
import { mapConcurrent } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolCall, ToolSpec } from "../messages/message.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import type { Action, Context, Policy } from "../policy/policy.js";
import { type TrainerPolicy, trainerPolicySchema } from "../policy/trainer-policy.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import type { Question } from "../trajectory/question.js";
import type { RecordedCall, Trajectory } from "../trajectory/trajectory.js";
import { rollout } from "./rollout.js";
import { type RolloutOptions, rolloutShape, taskSchema } from "./rollout-options.js";
import { type RolloutSetup, rolloutSetup } from "./rollout-setup.js";
import { argumentsOf } from "./run-call.js";
import type { Task } from "./task.js";

/** A demonstration that {@link demonstrate} left out. */
export interface RejectedDemonstration {
  /** Its question. */
  question: Question;
  /** Why it cannot be replayed. */
  reason: string;
}

/** Options of {@link demonstrate}. */
export interface DemonstrateOptions extends RolloutOptions {
  /** The model whose prompts and tokens the trajectories get. */
  policy: TrainerPolicy;
  /** Prompt, tools, call limit and matcher: `searchTask(tool)`, `calculatorTask(tool)` or `defineTask({ … })`. */
  task: Task;
  /** Ends the run with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called for each demonstration that cannot be replayed. */
  onRejected?: ((event: RejectedDemonstration) => unknown) | undefined;
}

export const demonstrateSchema = z.strictObject({
  policy: trainerPolicySchema,
  task: taskSchema,
  signal: signalSchema.optional(),
  onRejected: callback<RejectedDemonstration>("onRejected").optional(),
  ...rolloutShape,
});

/**
 * Replays demonstrations with the live tools and yields them as trajectories, in their order. A demonstration whose
 * calls fail, whose results differ, or which does not reach its answer is left out and reported to `onRejected`.
 *
 * Nothing is sampled: every recorded log-prob is 0. Train on the result with {@link sft}.
 *
 * @throws SwirlError CONFIG for bad options, ABORTED.
 * @example
 * const demonstrations = readGsm8kDemonstrations("train.jsonl", { limit: 100 });
 * for await (const trajectory of demonstrate(demonstrations, { policy, task })) await writer.append(trajectory);
 */
export async function* demonstrate(
  demonstrations: Iterable<Demonstration> | AsyncIterable<Demonstration>,
  input: DemonstrateOptions,
): AsyncGenerator<Trajectory, void, undefined> {
  const { policy, task, signal, onRejected, ...rest } = parseOptions(demonstrateSchema, input, "demonstrate");
  const replay = async (demonstration: Demonstration, inner: AbortSignal) => {
    const script = new Script(policy, demonstration);
    // A script samples nothing, so seed and temperature have no effect.
    const setup = rolloutSetup(script, task, { ...rest, temperature: 1, seed: 0 });
    script.start(setup);
    const trajectory = await rollout(demonstration.question, 0, setup, inner);
    return {
      question: demonstration.question,
      trajectory,
      problem: demonstrationProblem(demonstration, trajectory),
    };
  };
  for await (const { question, trajectory, problem } of mapConcurrent(demonstrations, 1, replay, signal)) {
    if (problem === undefined) yield trajectory;
    else onRejected?.({ question, reason: problem });
  }
}

/** A policy that writes the actions of a demonstration, with the contexts and tokens of the real policy. */
class Script implements Policy {
  readonly id = "demonstration";
  readonly exact = true;
  readonly contextLength: number;
  #next = 0;
  #setup: RolloutSetup | undefined;

  constructor(
    private readonly policy: TrainerPolicy,
    private readonly demonstration: Demonstration,
  ) {
    this.contextLength = policy.contextLength;
  }

  start(setup: RolloutSetup): void {
    this.#setup = setup;
  }

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    return this.policy.begin(messages, tools);
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    return this.policy.extend(context, action, observation, shown);
  }

  async act(context: Context): Promise<Action[]> {
    const action = this.#write(this.#next++);
    const room = this.contextLength - (context.tokens?.length ?? 0);
    if (action.tokens!.length > room)
      throw new SwirlError(
        "INPUT",
        `the demonstration does not fit into a context of ${this.contextLength} tokens`,
      );
    return [action];
  }

  async dispose(): Promise<void> {}

  #write(index: number): Action {
    const { steps, conclusion = "", answer } = this.demonstration;
    const { format, task } = this.#setup!;
    const step = steps[index];
    if (!step) return this.#spoken(taggedText(conclusion, format.answerTag, answer));
    if (format.kind === "tags")
      return this.#spoken(taggedText(step.thought, format.callTags[step.call.name]!, step.call.input));
    const calls: ToolCall[] = [templateCall(task, step.call)];
    const tokens = this.policy.tokenizer.chat.renderAction({ content: step.thought, toolCalls: calls });
    return { text: step.thought, toolCalls: calls, tokens, logprobs: certain(tokens), finishReason: "eos" };
  }

  /** The tokens that sampling would have produced: up to the closing tag, which ends an action. */
  #spoken(text: string): Action {
    const tokens = this.policy.tokenizer.encode(text, { continues: true });
    return { text, tokens, logprobs: certain(tokens), finishReason: "stop" };
  }
}

/** A demonstration's call as a chat template writes it: arguments are JSON there. */
export function templateCall({ tools }: Task, call: RecordedCall): ToolCall {
  const tool = tools.find(({ name }) => name === call.name);
  return tool ? { ...call, input: argumentsOf(tool, call.input) } : call;
}

/** A thought, if there is one, and then the input between tags. */
export function taggedText(thought: string, tag: string, input: string): string {
  const before = thought.trim();
  return `${before}${before === "" ? "" : " "}<${tag}>${input}</${tag}>`;
}

function certain(tokens: Int32Array): Float32Array {
  return new Float32Array(tokens.length);
}

/** Why a replay is rejected; undefined when it is accepted. */
export function demonstrationProblem(
  demonstration: Demonstration,
  trajectory: Trajectory,
): string | undefined {
  if (trajectory.end !== "answer") {
    const at = trajectory.steps.at(-1);
    return (
      trajectory.error ??
      `it ends with "${trajectory.end}" at step ${trajectory.steps.length}: ${at?.text ?? ""}`
    );
  }
  for (const [i, { observation, call }] of demonstration.steps.entries()) {
    const found = trajectory.steps[i]?.observation;
    if (found?.error) return `step ${i + 1}: ${found.text}`;
    if (observation !== undefined && !agrees(found?.text ?? "", observation))
      return `step ${i + 1}: ${call.name} says ${JSON.stringify(found?.text)}, the demonstration ${JSON.stringify(observation)}`;
  }
  return undefined;
}

/** Whether the tool's result shows the expected one: the same number to a hundredth, or its words. */
function agrees(found: string, expected: string): boolean {
  const result = found.split("->").at(-1)!;
  const wanted = answerNumber(expected);
  if (wanted === undefined) return result.includes(expected.trim());
  const shown = answerNumber(result);
  return shown !== undefined && Math.abs(shown - wanted) <= 0.01 * Math.max(1, Math.abs(wanted));
}
