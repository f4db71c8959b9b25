/**
 * Demonstrations as trajectories: what a person (or a dataset's annotation) did step by step, replayed through the
 * rollout of stage 1. The prompt, the live tool's observations, the turns and their tokens are exactly what synthesis
 * would have produced had the policy written these actions, so SFT and RL share one format.
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
import { type NativePolicy, nativePolicySchema } from "../policy/native-policy.js";
import type { Action, Context, Policy } from "../policy/policy.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import type { Question } from "../trajectory/question.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { rollout } from "./rollout.js";
import { rolloutShape, taskSchema } from "./rollout-options.js";
import { type RolloutSetup, rolloutSetup } from "./rollout-setup.js";

export const demonstrateSchema = z.strictObject({
  policy: nativePolicySchema,
  task: taskSchema,
  signal: signalSchema.optional(),
  /** Told of each demonstration that cannot be replayed, and why. */
  onRejected: callback<{ question: Question; reason: string }>("onRejected").optional(),
  ...rolloutShape,
});

export type DemonstrateOptions = z.input<typeof demonstrateSchema>;

/** Replays demonstrations, in their order. Those the environment does not follow to the answer are left out. */
export async function* demonstrate(
  demonstrations: Iterable<Demonstration> | AsyncIterable<Demonstration>,
  input: DemonstrateOptions,
): AsyncGenerator<Trajectory, void, undefined> {
  const { policy, task, signal, onRejected, ...rest } = parseOptions(demonstrateSchema, input, "demonstrate");
  const replay = async (demonstration: Demonstration, inner: AbortSignal) => {
    const script = new Script(policy, demonstration);
    // Seed and temperature are of sampling; a script samples nothing.
    const setup = rolloutSetup(script, task, { ...rest, temperature: 1, seed: 0 });
    script.start(setup);
    const trajectory = await rollout(demonstration.question, 0, setup, inner);
    return { question: demonstration.question, trajectory, problem: problemOf(demonstration, trajectory) };
  };
  for await (const { question, trajectory, problem } of mapConcurrent(demonstrations, 1, replay, signal)) {
    if (problem === undefined) yield trajectory;
    else onRejected?.({ question, reason: problem });
  }
}

/** A policy that writes what a demonstration says. Contexts and tokens are the real policy's. */
class Script implements Policy {
  readonly id = "demonstration";
  readonly exact = true;
  readonly contextLength: number;
  #next = 0;
  #setup: RolloutSetup | undefined;

  constructor(
    private readonly policy: NativePolicy,
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
    const { format } = this.#setup!;
    const step = steps[index];
    if (!step) return this.#spoken(said(conclusion, format.answerTag, answer));
    if (format.kind === "tags")
      return this.#spoken(said(step.thought, format.callTags[step.call.name]!, step.call.input));
    const calls: ToolCall[] = [step.call];
    const tokens = this.policy.tokenizer.chat.renderAction({ content: step.thought, toolCalls: calls });
    return { text: step.thought, toolCalls: calls, tokens, logprobs: certain(tokens), finishReason: "eos" };
  }

  /** The tokens sampling would have given: up to the closing tag, which ends an action. */
  #spoken(text: string): Action {
    const tokens = this.policy.tokenizer.encode(text, { continues: true });
    return { text, tokens, logprobs: certain(tokens), finishReason: "stop" };
  }
}

function said(thought: string, tag: string, input: string): string {
  const before = thought.trim();
  return `${before}${before === "" ? "" : " "}<${tag}>${input}</${tag}>`;
}

function certain(tokens: Int32Array): Float32Array {
  return new Float32Array(tokens.length);
}

/** Why a replay is no demonstration; undefined when it is one. */
function problemOf(demonstration: Demonstration, trajectory: Trajectory): string | undefined {
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
