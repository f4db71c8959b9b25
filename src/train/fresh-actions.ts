/**
 * The actions of one update and their verdicts: sampled from the current policy at each state (or the logged ones),
 * judged, never executed.
 */
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { matchAnswer } from "../answers/match-answer.js";
import { mapConcurrent } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { askForVerdict, askJudge } from "../judge/ask-judge.js";
import type { Verdict } from "../judge/judge.js";
import { sampleActions as askActions } from "../policy/ask-policy.js";
import type { Action } from "../policy/policy.js";
import { nextSeed, STREAM, seedFor } from "../random/counter-random.js";
import { stopStrings } from "../synthesize/action-format.js";
import type { Batch } from "./batches.js";
import type { RewardPart } from "./reward-parts.js";
import { freshView, type TrainingState } from "./states.js";
import type { ResolvedTrainOptions } from "./train-options.js";
import { withSignal } from "./update-parts.js";

/** Bounds of the options, so that no two rewards of an update share a seed. */
const MOST_SAMPLES = 1024;
const MOST_PARTS = 64;

export interface Sample {
  tokens: Int32Array; // [tokens of the action]
  logprobs: Float32Array; // [tokens of the action] under the distribution sampled from
  text: Pick<Action, "text" | "toolCalls" | "finishReason">;
}

/**
 * G actions for every state, one call per state: the policy batches them and computes a shared prefix once. `round`: 0,
 * or how often these states were drawn before in this update.
 */
export async function sampleActions(
  options: ResolvedTrainOptions,
  batch: Batch,
  states: readonly TrainingState[],
  round: number,
  onDone: (done: number, total: number) => void,
): Promise<Sample[][]> {
  const stream = round === 0 ? STREAM.action : STREAM.redraw;
  let done = 0;
  return Promise.all(
    states.map(async (state, i) => {
      const actions = await askActions(
        options.policy,
        { messages: [], tokens: state.state },
        {
          n: options.samplesPerState,
          maxNewTokens: options.maxNewTokens,
          temperature: options.temperature,
          stop: stopStrings(state.format),
          seed: seedFor(nextSeed(options.seed, round), { stream, step: batch.step, item: batch.items[i]! }),
          ...withSignal(options.signal),
        },
      );
      if (actions.length !== options.samplesPerState) {
        throw new SwirlError(
          "CONFIG",
          `policy ${options.policy.id}: act() returned ${actions.length} actions for n ${options.samplesPerState}`,
          { remedy: "act() must resolve to n actions", details: { field: "policy" } },
        );
      }
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

/** A part of the reward, its index among the parts, and the round of sampling. */
export interface Scoring {
  part: RewardPart;
  index: number;
  round: number;
}

/** Verdicts [states][actions]. */
export async function judgeActions(
  options: ResolvedTrainOptions,
  scoring: Scoring,
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
    verdicts[i]![j] = await score(options, scoring, batch, i, state, j, action, signal);
  };
  for await (const _ of mapConcurrent(work, options.judgeConcurrency, judgeOne, options.signal))
    onDone(++done, work.length);
  return verdicts;
}

async function score(
  options: ResolvedTrainOptions,
  { part, index, round }: Scoring,
  batch: Batch,
  i: number,
  state: TrainingState,
  j: number,
  action: Sample,
  signal: AbortSignal,
): Promise<Verdict> {
  const { policy, temperature, maxNewTokens } = options;
  const { judge, reward, outcome } = part;
  if (judge)
    return askJudge(judge, options.actions === "logged" ? state.view : freshView(state, action.text), signal);
  if (outcome) return recordedOutcome(outcome, state, signal);
  const { tokens, logprobs, text } = action;
  const counter = { stream: STREAM.reward, step: batch.step, item: batch.items[i]! };
  const draw = j + MOST_SAMPLES * (index + MOST_PARTS * round);
  const seed = seedFor(nextSeed(options.seed, draw), counter);
  const context = { policy, temperature, maxNewTokens, seed, signal };
  return askForVerdict(reward!, "score()", signal, () =>
    reward!.score(state, { ...text, tokens, logprobs }, context),
  );
}

/**
 * A trajectory without a gold answer, and an answer that could not be checked, are failed verdicts: masked, not zero.
 */
async function recordedOutcome(
  matcher: AnswerMatcher,
  { trajectory }: TrainingState,
  signal: AbortSignal,
): Promise<Verdict> {
  if (trajectory.gold.length === 0)
    return { status: "failed", error: `question ${trajectory.questionId} has no gold answer` };
  if (trajectory.answer === undefined) return { status: "ok", good: false, score: 0, votes: 1 };
  const verdict = await matchAnswer(matcher, trajectory, signal);
  if (verdict.status === "failed") return verdict;
  return { status: "ok", good: verdict.correct, score: Number(verdict.correct), votes: 1 };
}
