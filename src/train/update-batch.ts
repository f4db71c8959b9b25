/**
 * Makes the sequences of an update from judged actions: KL in the reward, advantages, what is masked, and the log-probs
 * that the loss reads.
 */
import { sequenceKl } from "../losses/kl.js";
import { joinTokens } from "../policy/join-tokens.js";
import type { TrainSequence } from "../policy/sequences.js";
import type { SequenceScorer } from "../policy/trainer-policy.js";
import {
  advantages,
  type Rewards,
  type RunningBaseline,
  updateRunningBaseline,
  whitens,
} from "./advantages.js";
import type { Sample } from "./fresh-actions.js";
import type { JudgedActions } from "./judged-actions.js";
import { type SamplerMismatch, samplerMismatch } from "./sampler-mismatch.js";
import { scaleAdvantages, whiten } from "./scale-rewards.js";
import type { TrainingState } from "./states.js";
import type { ResolvedTrainOptions } from "./train-options.js";
import { withSignal } from "./update-parts.js";

export interface UpdateBatch {
  sequences: TrainSequence[];
  /**
   * Actions left out of the loss because maxNewTokens truncated them; the denominators count them as sequences of
   * weight 0.
   */
  truncated: number;
  /** [states][actions]; undefined where an action is in no sequence. */
  advantages: (number | undefined)[][];
  runningBaseline: RunningBaseline;
  /** Where the options have a correction. */
  mismatch: SamplerMismatch | undefined;
}

export async function updateBatch(
  options: ResolvedTrainOptions,
  states: readonly TrainingState[],
  judged: JudgedActions,
  running: RunningBaseline,
): Promise<UpdateBatch> {
  const { reference } = options;
  const taught = judged.rewards.map((row, i) => (judged.uniform[i] ? row.map(() => undefined) : row));
  const known = candidates(states, judged.actions, taught);
  const inReward = options.klIn === "reward" ? await score(options, known) : undefined;
  const rewards = inReward ? lessKl(options, taught, known, inReward) : taught;
  const table = advantageTable(options, rewards, judged.actions, running);
  const runningBaseline = updateRunningBaseline(running, rewards, options.baselineDecay);

  const scored = known.map((one, k) => ({ ...one, reference: inReward?.[k] }));
  const all = scored.filter(({ i, j }) => table[i]![j] !== undefined);
  const kept = options.maskTruncated
    ? all.filter(({ action }) => action.text.finishReason !== "length")
    : all;
  const referenceLogprobs = reference && !inReward ? await score(options, kept) : undefined;
  const current = options.correction ? await scoreWith(options, options.policy, kept) : undefined;
  const mismatch =
    current &&
    samplerMismatch(
      kept.map(({ action }, k) => ({ current: current[k]!, sampler: action.logprobs })),
      options.correction!,
    );
  const sequences = kept.map((one, k): TrainSequence => {
    const { i, j, action, tokens, actionStart } = one;
    const ref = referenceLogprobs?.[k] ?? one.reference;
    return {
      tokens,
      actionStart,
      advantage: table[i]![j]!,
      ...behavior(options, action, current?.[k]),
      ...(ref ? { referenceLogprobs: ref } : {}),
    };
  });
  const trained = table.map((row) => row.map((): number | undefined => undefined));
  for (const { i, j } of kept) trained[i]![j] = table[i]![j];
  return { sequences, truncated: all.length - kept.length, advantages: trained, runningBaseline, mismatch };
}

/**
 * The same array that the policy returned with a fresh action, so that it recognizes its current log-probs:
 * the first update after sampling then needs no pass for them.
 */
function behavior(options: ResolvedTrainOptions, { logprobs }: Sample, current: Float32Array | undefined) {
  if (current) return { behaviorLogprobs: current, samplerLogprobs: logprobs };
  return options.terms.loss === "reinforce" ? {} : { behaviorLogprobs: logprobs };
}

interface Candidate {
  i: number;
  j: number;
  action: Sample;
  tokens: Int32Array;
  actionStart: number;
}

function candidates(
  states: readonly TrainingState[],
  actions: readonly (readonly Sample[])[],
  rewards: Rewards,
): Candidate[] {
  return states.flatMap((state, i) =>
    actions[i]!.flatMap((action, j) =>
      rewards[i]![j] === undefined
        ? []
        : [{ i, j, action, tokens: joinTokens(state.state, action.tokens), actionStart: state.state.length }],
    ),
  );
}

function score(options: ResolvedTrainOptions, sequences: readonly Candidate[]): Promise<Float32Array[]> {
  return scoreWith(options, options.reference!, sequences);
}

async function scoreWith(
  { temperature, signal }: ResolvedTrainOptions,
  policy: SequenceScorer,
  sequences: readonly Candidate[],
): Promise<Float32Array[]> {
  if (sequences.length === 0) return [];
  return await policy.logprobs(
    sequences.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
    { temperature, ...withSignal(signal) },
  );
}

function lessKl(
  { klWeight, klEstimator }: ResolvedTrainOptions,
  rewards: Rewards,
  known: readonly Candidate[],
  reference: readonly Float32Array[],
): (number | undefined)[][] {
  const out = rewards.map((row) => [...row]);
  for (const [k, { i, j, action }] of known.entries())
    out[i]![j] = rewards[i]![j]! - klWeight * sequenceKl(klEstimator, action.logprobs, reference[k]!);
  return out;
}

function advantageTable(
  { baseline, scaleRewards }: ResolvedTrainOptions,
  rewards: Rewards,
  actions: readonly (readonly Sample[])[],
  running: RunningBaseline,
): (number | undefined)[][] {
  const centered = advantages(rewards, baseline, running);
  if (whitens(baseline))
    return whiten(
      centered,
      actions.map((row) => row.map(({ tokens }) => tokens.length)),
    );
  return scaleAdvantages(centered, rewards, scaleRewards);
}
