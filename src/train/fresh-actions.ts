/**
 * The actions of one update and their verdicts: sampled from the current policy at each state (or the logged ones),
 * judged, never executed.
 */
import { mapConcurrent } from "../async/map-concurrent.js";
import { askForVerdict, askJudge } from "../judge/ask-judge.js";
import type { Verdict } from "../judge/judge.js";
import type { Action } from "../policy/policy.js";
import { nextSeed, STREAM, seedFor } from "../random/counter-random.js";
import { stopStrings } from "../synthesize/action-format.js";
import type { Batch } from "./batches.js";
import { freshView, type TrainingState } from "./states.js";
import type { ResolvedTrainOptions } from "./train-options.js";
import { withSignal } from "./update-parts.js";

export interface Sample {
  tokens: Int32Array; // [tokens of the action]
  logprobs: Float32Array; // [tokens of the action] under the distribution sampled from
  text: Pick<Action, "text" | "toolCalls" | "finishReason">;
}

/** G actions for every state, one call a state: the policy batches them and computes a shared prefix once. */
export async function sampleActions(
  options: ResolvedTrainOptions,
  batch: Batch,
  states: readonly TrainingState[],
  onDone: (done: number, total: number) => void,
): Promise<Sample[][]> {
  let done = 0;
  return Promise.all(
    states.map(async (state, i) => {
      const actions = await options.policy.act(
        { messages: [], tokens: state.state },
        {
          n: options.samplesPerState,
          maxNewTokens: options.maxNewTokens,
          temperature: options.temperature,
          stop: stopStrings(state.format),
          seed: seedFor(options.seed, { stream: STREAM.action, step: batch.step, item: batch.items[i]! }),
          ...withSignal(options.signal),
        },
      );
      onDone(++done, states.length);
      return actions.map((action) => ({ tokens: action.tokens!, logprobs: action.logprobs!, text: action }));
    }),
  );
}

/** The recorded action of a state. */
export function loggedSample(state: TrainingState): Sample {
  return {
    tokens: state.action,
    logprobs: state.logprobs,
    text: { text: state.view.action, finishReason: state.finishReason },
  };
}

/** Verdicts [states][actions]. */
export async function judgeActions(
  options: ResolvedTrainOptions,
  batch: Batch,
  states: readonly TrainingState[],
  actions: readonly (readonly Sample[])[],
  onDone: (done: number, total: number) => void,
): Promise<Verdict[][]> {
  const verdicts: Verdict[][] = actions.map(() => []);
  const work = actions.flatMap((row, i) => row.map((action, j) => ({ i, j, action })));
  let done = 0;
  const judgeOne = async ({ i, j, action }: (typeof work)[number], signal: AbortSignal) => {
    const state = states[i]!;
    verdicts[i]![j] = await score(options, batch, i, state, j, action, signal);
  };
  for await (const _ of mapConcurrent(work, options.judgeConcurrency, judgeOne, options.signal))
    onDone(++done, work.length);
  return verdicts;
}

async function score(
  options: ResolvedTrainOptions,
  batch: Batch,
  i: number,
  state: TrainingState,
  j: number,
  action: Sample,
  signal: AbortSignal,
): Promise<Verdict> {
  const { judge, reward, policy, temperature, maxNewTokens } = options;
  if (judge)
    return askJudge(judge, options.actions === "logged" ? state.view : freshView(state, action.text), signal);
  const { tokens, logprobs, text } = action;
  const counter = { stream: STREAM.reward, step: batch.step, item: batch.items[i]! };
  const seed = seedFor(nextSeed(options.seed, j), counter);
  const context = { policy, temperature, maxNewTokens, seed, signal };
  return askForVerdict(reward!, "score()", signal, () =>
    reward!.score(state, { ...text, tokens, logprobs }, context),
  );
}
