/**
 * Rolls out one question: prompt, act, parse, execute, append, until an answer or the limit (SWiRL, stages 1 and 3).
 *
 * Deterministic in (policy weights, question, sample, seed, options) as far as the tools are. Failures of one rollout
 * (no answer, bad actions, failing tools, a policy that cannot act) are recorded, not thrown. Only an abort is thrown,
 * and errors that would fail every other trajectory too (configuration, a disposed policy, NaN log-probs).
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { Message } from "../messages/message.js";
import { beginContext } from "../policy/ask-policy.js";
import type { Action, Context, Policy } from "../policy/policy.js";
import { deriveSeed } from "../random/derive-seed.js";
import { redactText } from "../secrets/redact.js";
import { rebuildStates } from "../trajectory/decompose.js";
import type { Question } from "../trajectory/question.js";
import { type Step, TRAJECTORY_VERSION, type Trajectory } from "../trajectory/trajectory.js";
import { nextTurn } from "./next-turn.js";
import { type ParsedAction, parseAction } from "./parse-action.js";
import { type Calls, callKey, respond } from "./respond.js";
import { promptOf, type RolloutSetup } from "./rollout-setup.js";
import { toolSpec } from "./run-call.js";
import { sampleAction } from "./sample-action.js";

export async function rollout(
  question: Question,
  sample: number,
  setup: RolloutSetup,
  signal?: AbortSignal,
  onStep?: (step: Step) => void | Promise<void>,
): Promise<Trajectory> {
  const { policy, task, format, callLimit, options } = setup;
  const start = performance.now();
  const seed = trajectorySeed(options.seed, question.id, sample);
  const prompt = promptOf(task, question.question, format, callLimit);
  const trajectory: Trajectory = {
    version: TRAJECTORY_VERSION,
    id: trajectoryId(question.id, sample),
    questionId: question.id,
    question: question.question,
    gold: [...question.answers],
    sample,
    seed,
    policy: policy.id,
    tools: task.tools.map((tool) => tool.name),
    format,
    callLimit,
    prompt: prompt.map(({ role, content }) => ({ role, content })),
    steps: [],
    end: "failed",
    milliseconds: 0,
  };
  try {
    const specs = format.kind === "chat-template" ? task.tools.map(toolSpec) : undefined;
    const context = beginContext(policy, prompt, specs);
    await play(trajectory, { context, turn: { keep: 0, append: Array.from(context.tokens ?? []) } }, setup, {
      calls: { used: 0, made: new Set(), askedForAnswer: false },
      signal,
      onStep,
    });
  } catch (error) {
    if (!isOwnTrouble(error)) throw error;
    trajectory.end = "failed";
    trajectory.error = redactText(error.message);
  }
  trajectory.milliseconds = round(performance.now() - start);
  return trajectory;
}

/**
 * Continues a recorded trajectory differently: it keeps the steps before `at`, takes `action` in place of the recorded
 * one, and samples the rest with `seed`. The record needs tokens: its states are used id for id.
 */
export async function continueRollout(
  recorded: Trajectory,
  at: number,
  { action, seed }: { action: Action; seed: number },
  setup: RolloutSetup,
  signal?: AbortSignal,
): Promise<Trajectory> {
  const start = performance.now();
  const steps = recorded.steps.slice(0, at);
  const { keep, append } = recorded.steps[at]!;
  const { error: _, answer: __, ...rest } = recorded;
  const trajectory: Trajectory = { ...rest, steps, seed, end: "failed", policy: setup.policy.id };
  const messages = [
    ...recorded.prompt,
    ...steps.flatMap((step): Message[] => [
      { role: "assistant", content: step.shown ?? step.text },
      { role: setup.format.kind === "tags" ? "user" : "tool", content: step.observation?.text ?? "" },
    ]),
  ];
  const made = steps.flatMap(({ call }) => (call ? [callKey(call)] : []));
  try {
    await play(
      trajectory,
      { context: { messages, tokens: rebuildStates(recorded)[at]! }, turn: { keep, append } },
      setup,
      {
        calls: { used: at, made: new Set(made), askedForAnswer: at > setup.callLimit },
        first: action,
        signal,
      },
    );
  } catch (error) {
    if (!isOwnTrouble(error)) throw error;
    trajectory.error = redactText(error.message);
  }
  trajectory.milliseconds = round(performance.now() - start);
  return trajectory;
}

/** Appends steps to the trajectory until it ends, and sets `end`. */
async function play(
  trajectory: Trajectory,
  state: { context: Context; turn: { keep: number; append: number[] } },
  setup: RolloutSetup,
  options: {
    calls: Calls;
    /** Taken in place of the first sampled action. */
    first?: Action;
    signal: AbortSignal | undefined;
    onStep?: ((step: Step) => void | Promise<void>) | undefined;
  },
): Promise<void> {
  const { policy, format } = setup;
  const { calls, signal, onStep } = options;
  let { context, turn } = state;
  let given = options.first;
  for (;;) {
    const room = roomLeft(policy, context);
    if (room < 1 && trajectory.steps.length === 0) throw promptTooLong(policy, context);
    const stepStart = performance.now();
    const action =
      given ??
      (await sampleAction(
        setup,
        context,
        Math.min(room, setup.options.maxNewTokens),
        deriveSeed(trajectory.seed, trajectory.steps.length),
        signal,
      ));
    given = undefined;
    const parsed = parseAction(action, format, trajectory.tools);
    const step = recordStep(turn, action, parsed, performance.now() - stepStart);
    trajectory.steps.push(step);
    if (parsed.kind === "answer") {
      trajectory.end = "answer";
      trajectory.answer = parsed.answer;
      await onStep?.(step);
      return;
    }
    const reply = await respond(setup, parsed, calls, signal);
    if ("observation" in reply) step.observation = reply.observation;
    let next: ReturnType<typeof nextTurn> | undefined;
    if (reply.end === undefined) {
      next = nextTurn(setup, context, action, parsed, step);
      if (roomLeft(policy, next.context) < 1) reply.end = "length";
    }
    await onStep?.(step);
    if (reply.end !== undefined) {
      trajectory.end = reply.end;
      return;
    }
    ({ context, turn } = next!);
  }
}

export function trajectoryId(questionId: string, sample: number): string {
  return `${questionId}/${sample}`;
}

export function trajectorySeed(seed: number, questionId: string, sample: number): number {
  return deriveSeed(seed, questionId, sample);
}

function recordStep(
  turn: { keep: number; append: number[] },
  action: Action,
  parsed: ParsedAction,
  ms: number,
): Step {
  const step: Step = {
    keep: turn.keep,
    append: turn.append,
    action: Array.from(action.tokens ?? []),
    logprobs: Array.from(action.logprobs ?? [], shortFloat32),
    text: parsed.text,
    finishReason: action.finishReason,
    kind: parsed.kind,
    milliseconds: round(ms),
  };
  if (parsed.kind === "call") step.call = parsed.call;
  if (parsed.kind === "malformed") step.problem = parsed.reason;
  return step;
}

function roomLeft(policy: Policy, context: Context): number {
  return policy.contextLength - (context.tokens?.length ?? 0);
}

function promptTooLong(policy: Policy, context: Context): SwirlError {
  return new SwirlError(
    "INPUT",
    `the prompt has ${context.tokens?.length} tokens, the context ${policy.contextLength}`,
    {
      remedy: "shorten the question or use a model with a longer context",
    },
  );
}

/** Errors that end this trajectory, not the run. */
function isOwnTrouble(error: unknown): error is SwirlError {
  return SwirlError.isInstance(error) && ["ENDPOINT", "MEMORY", "INPUT"].includes(error.code);
}

/** Nine significant digits identify a float32 exactly and halve the size of the record. */
function shortFloat32(value: number): number {
  return Number(Math.fround(value).toPrecision(9));
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
