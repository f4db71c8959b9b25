/**
 * Rolls out one question: prompt, act, parse, execute, append, until an answer or the limit (SWiRL, stages 1 and 3).
 *
 * Deterministic in (policy weights, question, sample, seed, options) as far as the tools are. Failures of one rollout
 * (no answer, bad actions, failing tools, a policy that cannot act) are recorded, not thrown. Only an abort is thrown,
 * and errors that would fail every other trajectory too (configuration, a disposed policy, NaN log-probs).
 */
import { inspect } from "node:util";
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolCall } from "../messages/message.js";
import type { Action, Context, Policy } from "../policy/policy.js";
import { deriveSeed } from "../random/derive-seed.js";
import { redactText } from "../secrets/redact.js";
import { rebuildStates } from "../trajectory/decompose.js";
import type { Question } from "../trajectory/question.js";
import { type Step, TRAJECTORY_VERSION, type Trajectory } from "../trajectory/trajectory.js";
import { stopStrings } from "./action-format.js";
import { nextTurn } from "./next-turn.js";
import { type ParsedAction, parseAction } from "./parse-action.js";
import { notices } from "./prompts.js";
import type { RolloutSetup } from "./rollout-setup.js";
import { runCall, toolSpec } from "./run-call.js";
import { truncate } from "./truncate.js";

/** The environment's reply to an action: an observation, or the end. */
type Reply =
  | { observation: NonNullable<Step["observation"]>; end?: Trajectory["end"] }
  | { end: Trajectory["end"] };

const FINISH_REASONS: readonly Action["finishReason"][] = ["stop", "eos", "length"];

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
  const prompt = task.prompt(question.question, format, callLimit);
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
    const context = policy.begin(prompt, specs);
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

interface Calls {
  used: number;
  made: Set<string>;
  askedForAnswer: boolean;
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
      (await act(
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

async function act(
  { policy, format, options }: RolloutSetup,
  context: Context,
  maxNewTokens: number,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<Action> {
  const actions: unknown = await policy.act(context, {
    n: 1,
    maxNewTokens,
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    stop: stopStrings(format),
    seed,
    ...(signal && { signal }),
  });
  const action = Array.isArray(actions) ? (actions[0] as Action | null | undefined) : undefined;
  if (typeof action?.text !== "string") {
    throw new SwirlError(
      "CONFIG",
      `policy ${policy.id}: act() returned ${inspect(actions, { depth: 1 }).slice(0, 200)}`,
      {
        remedy: 'act() must resolve to a list of actions: [{ text: "…", finishReason: "stop" }]',
        details: { field: "policy" },
      },
    );
  }
  if (!FINISH_REASONS.includes(action.finishReason)) {
    const said = JSON.stringify(action.finishReason) ?? "missing";
    throw new SwirlError(
      "ENDPOINT",
      `policy ${policy.id}: finishReason is ${said}, so the action may be unfinished`,
      {
        remedy: `finishReason must be ${FINISH_REASONS.join(", ")}; act() must reject when the action is incomplete`,
      },
    );
  }
  const bad = action.logprobs?.findIndex((logprob) => !Number.isFinite(logprob)) ?? -1;
  if (bad >= 0) {
    throw new SwirlError(
      "NUMERICS",
      `policy ${policy.id}: the log-prob of sampled token ${bad} is ${action.logprobs![bad]}`,
      {
        remedy: "its weights hold NaN or Inf: load an earlier checkpoint",
      },
    );
  }
  return action;
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

/** The environment's half of a step. Every action except an answer uses one call. */
async function respond(
  { task, format, callLimit, options }: RolloutSetup,
  parsed: Exclude<ParsedAction, { kind: "answer" }>,
  calls: Calls,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  const notice = (text: string): Reply => ({ observation: { text, error: true, milliseconds: 0 } });
  if (parsed.kind === "malformed") {
    if (parsed.reason === "cut-off") return { end: "length" };
    if (options.malformed === "end") return { end: "malformed" };
  }
  if (calls.askedForAnswer) return { end: "limit" };
  if (calls.used >= callLimit) {
    if (options.atLimit === "end") return { end: "limit" };
    calls.askedForAnswer = true;
    return notice(notices.limit(format));
  }
  calls.used++;
  if (parsed.kind === "malformed")
    return notice(notices.malformed(parsed.message, format, callLimit - calls.used));

  const { name, input } = parsed.call;
  const key = callKey(parsed.call);
  if (calls.made.has(key)) {
    if (options.repeatedCall === "end") return { end: "malformed" };
    if (options.repeatedCall === "tell") return notice(notices.repeated(input));
  }
  calls.made.add(key);
  const tool = task.tools.find((candidate) => candidate.name === name)!;
  const result = await runCall(tool, input, { kind: format.kind, timeoutMs: options.toolTimeoutMs, signal });
  const text = truncate(result.error ? `error: ${result.text}` : result.text, options.maxObservationChars);
  const shown =
    format.kind === "chat-template"
      ? text
      : tool.format && !result.error
        ? tool.format(input, text)
        : `${input} -> ${text}`;
  const observation = { text: shown, error: result.error, milliseconds: result.milliseconds };
  return result.error && options.toolError === "end" ? { observation, end: "tool-error" } : { observation };
}

/** Calls that differ only in case and spacing are the same. */
function callKey({ name, input }: ToolCall): string {
  return JSON.stringify([name, input.trim().toLowerCase().replace(/\s+/g, " ")]);
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
