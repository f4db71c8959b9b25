/**
 * Stage 2 of SWiRL: step-wise reinforcement learning (arXiv 2504.04736, section 3.2).
 *
 *   J(θ) = E over s ~ T, a ~ π_θ(· | s) of [ R(a | s) ]
 *
 * T: every state of every kept trajectory. States are offline; actions are fresh: sampled from the current policy at
 * that state, judged, and never executed. R: the judge's verdict. A judgment that failed masks its sample.
 * One update: batch of states → G actions each → verdicts → advantages → policy gradient on the batch's token tree.
 *
 * Deviations from the paper, which leaves these open: the baseline (leave-one-out), G = 4, gradient clipping at 1.
 *
 * Everything but the judge is a pure function of (weights, trajectories, options): a run killed at any moment and
 * started again resumes from its newest checkpoint to the same weights, bit for bit on the CPU in float32.
 */

import { throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Verdict } from "../judge/judge.js";
import { defaultsOf } from "../options/defaults-of.js";
import { updatePolicy } from "../policy/ask-policy.js";
import type { NativePolicy } from "../policy/native-policy.js";
import type { TrainerPolicy } from "../policy/trainer-policy.js";
import type { LossOptions } from "../policy/training-options.js";
import type { Tracking } from "../trackers/tracking.js";
import { requireTrajectory, type Trajectory } from "../trajectory/trajectory.js";
import { actionsRecord } from "./actions-record.js";
import { groupBy, stepsInEpochs } from "./batches.js";
import { type JudgedActions, judgedActions } from "./judged-actions.js";
import { adamwOptions } from "./optimizer-options.js";
import { completionMetrics, partMetrics, rewardMetrics } from "./reward-metrics.js";
import { missingSignal } from "./reward-signal.js";
import { learningRate } from "./schedules.js";
import { fingerprint, statesOf, type TrainingState } from "./states.js";
import {
  type ResolvedTrainOptions,
  resolveTrainOptions,
  type TrainOptions,
  trainSchema,
} from "./train-options.js";
import type { TrainRecord } from "./train-record.js";
import { setupOf } from "./training-progress.js";
import { TrainingRun } from "./training-run.js";
import { updateBatch } from "./update-batch.js";
import { secondsBetween, withSignal } from "./update-parts.js";
import { validation } from "./validation.js";

/** What a training run did, over all its sessions. */
export interface TrainResult {
  /** Updates done in all, those before a resume included. */
  steps: number;
  /** Updates that were done before this call; 0 for a new run. */
  resumedFrom: number;
  /** States of all trajectories. */
  states: number;
  /** Updates skipped because something was not finite. */
  skippedUpdates: number;
  /** Failed verdicts: their actions were masked. */
  judgeFailures: number;
  /** Sum of the lengths of the sequences trained on. */
  tokens: number;
  /** Rows computed for them. */
  treeTokens: number;
  /** The last update's record; undefined when no update was left to do. */
  last: TrainRecord | undefined;
}

/**
 * Trains `options.policy` in place.
 *
 * @throws SwirlError CONFIG for options that contradict each other or a checkpoint made with others, and if another
 * run writes to `checkpoints.folder` or `metricsFile`; RECORD for trajectories without tokens, ENDPOINT when no action
 * of an update could be judged, NUMERICS after more than maxSkippedUpdates updates that were not finite, ABORTED by the
 * signal (after a last checkpoint).
 */
export async function train<Trained extends TrainerPolicy = NativePolicy>(
  input: TrainOptions<Trained>,
): Promise<TrainResult> {
  const options = resolveTrainOptions(input);
  const { policy, reference, signal } = options;
  const note = options.onNote ?? (() => {});

  // --- data: states, and the order they are trained in -----------------------------------------------------------
  const states = await collectStates(options.trajectories);
  for (const { reward } of options.parts) reward?.check?.(states);
  const groups = groupBy(states, (state, index) =>
    options.group === "trajectory"
      ? state.trajectoryId
      : options.group === "question"
        ? state.questionId
        : `${index}`,
  );
  const totalSteps = options.steps ?? stepsInEpochs(groups, options.epochs!, options);

  // --- where an earlier run stopped ------------------------------------------------------------------------------
  const { parts, terms: _, lossId, ...plain } = options;
  const setup = setupOf(
    {
      ...plain,
      loss: lossId,
      // Options that 0.1.0 did not have are only compared if they are in use, so that its checkpoints can be resumed.
      scaleRewards: options.scaleRewards === "none" ? undefined : options.scaleRewards,
      rewards:
        options.rewards &&
        parts.map(({ name, id, weight, credit, discount }) => ({ name, id, weight, credit, discount })),
      epochs: undefined,
      steps: options.schedule === "constant" ? undefined : totalSteps,
      policyId: policy.id,
      judgeId: (options.judge ?? options.reward)?.id,
      referenceId: reference?.id,
    },
    fingerprint(states),
  );
  const run = await TrainingRun.open<TrainRecord>("train", {
    ...options,
    setup,
    defaults: defaultsOf(trainSchema),
    totalSteps,
    note,
  });
  let saidNoSignal = false;
  try {
    for (const batch of run.batches(groups, options)) {
      const started = performance.now();
      const phase = (name: "sample" | "judge" | "reference" | "update") => (done: number, total: number) =>
        options.onProgress?.({ step: batch.step, totalSteps, phase: name, done, total });
      const batchStates = batch.items.map((index) => states[index]!);

      // --- actions and rewards: G per state from the current policy, or the logged one; judged, never executed -------
      const judged = await judgedActions(options, batch, batchStates, phase);
      const { actions, rewards } = judged;
      const { failures, first } = failedActions(judged);
      if (rewards.flat().every((reward) => reward === undefined)) throw nothingJudged(batch.step, first!);
      const silence = saidNoSignal ? undefined : noSignal(options, judged);
      if (silence !== undefined) {
        saidNoSignal = true;
        note(`step ${batch.step + 1}: ${silence}. This is reported once`);
      }
      const scored = performance.now();

      // --- advantages, and the log-probs of the reference policy --------------------------------------------------
      const before = run.progress;
      const { sequences, truncated, advantages, runningBaseline, mismatch } = await updateBatch(
        options,
        batchStates,
        judged,
        before.runningBaseline,
      );
      const referenced = performance.now();

      // --- update ------------------------------------------------------------------------------------------------
      const lr = learningRate(batch.step, { ...options, totalSteps, floor: options.lrFloor });
      let metrics: Awaited<ReturnType<typeof policy.update>> | undefined;
      let { tokens, treeTokens, skippedUpdates } = before;
      for (let update = 0; update < options.updatesPerBatch && sequences.length > 0; update++) {
        throwIfAborted(signal);
        metrics = await updatePolicy(policy, () =>
          policy.update(sequences, {
            ...lossOptions(options, sequences.length + truncated),
            optimizer: { ...adamwOptions(options), lr },
            onProgress: phase("update"),
            ...withSignal(signal),
          }),
        );
        run.weightsMoved();
        tokens += metrics.tokens;
        treeTokens += metrics.treeTokens;
        if (metrics.skipped) skippedUpdates++;
      }
      if (sequences.length === 0)
        note(`step ${batch.step + 1}: no action has an advantage, nothing to train on`);
      if (metrics?.skipped) note(`step ${batch.step + 1}: ${metrics.skipReason}; weights unchanged`);
      const step = batch.step + 1;
      const judgeFailures = before.judgeFailures + failures;
      run.advance({ step, tokens, treeTokens, skippedUpdates, judgeFailures, runningBaseline });
      const updated = performance.now();

      // --- record ------------------------------------------------------------------------------------------------
      const trained = metrics && !metrics.skipped ? metrics : undefined;
      const record: TrainRecord = {
        step,
        epoch: batch.epochAfter,
        loss: trained?.loss ?? null,
        ...rewardMetrics(rewards),
        ...(judged.parts.size > 1 ? partMetrics(judged.parts) : {}),
        kl: trained && reference ? trained.kl : null,
        entropy: trained?.entropy ?? null,
        clip_ratio: trained && options.terms.loss === "ppo-clip" ? trained.clipRatio : null,
        ...completionMetrics(
          actions.flat().map((a) => ({ length: a.tokens.length, clipped: a.text.finishReason === "length" })),
        ),
        grad_norm: trained?.gradNorm ?? null,
        learning_rate: lr,
        samples: sequences.length,
        num_tokens: tokens,
        tree_tokens: treeTokens,
        skipped_updates: skippedUpdates,
        "judge/failed": judgeFailures,
        ...(options.dynamicSampling === undefined
          ? {}
          : {
              "sampling/redrawn": judged.redrawn,
              "sampling/uniform": judged.uniform.filter(Boolean).length,
            }),
        ...(options.maskTruncated ? { "sampling/truncated": truncated } : {}),
        ...mismatch,
        "time/sample": secondsBetween(0, judged.seconds.sample),
        "time/judge": secondsBetween(0, judged.seconds.judge),
        "time/reference": secondsBetween(scored, referenced),
        "time/update": secondsBetween(referenced, updated),
        "time/step": secondsBetween(started, updated),
      };
      if (options.validate && step % options.validate.every === 0)
        Object.assign(record, await validation(options.validate.run, policy, step));
      if (run.recordsActions) await run.recordActions(actionsRecord(step, batchStates, judged, advantages));
      await run.record(record);
      const rows = run.tracking.samplesAt(step);
      if (rows > 0) run.tracking.table(...sampledActions(step, batchStates, judged, rows));
    }
    await run.save();
  } catch (error) {
    throw await run.stopped(error);
  } finally {
    await run.close();
  }

  const { step: steps, skippedUpdates, judgeFailures, tokens, treeTokens } = run.progress;
  return {
    steps,
    resumedFrom: run.resumedFrom,
    states: states.length,
    skippedUpdates,
    judgeFailures,
    tokens,
    treeTokens,
    last: run.last,
  };
}

/** Some of an update's actions with their rewards, for the trackers: the first states, all actions of each. */
function sampledActions(
  step: number,
  states: readonly TrainingState[],
  { actions, rewards, parts }: JudgedActions,
  count: number,
): Parameters<Tracking["table"]> {
  const names = parts.size > 1 ? [...parts.keys()] : [];
  const rows = actions.flatMap((row, i) =>
    row.map((action, j) => [
      states[i]!.view.question,
      states[i]!.step + 1,
      action.text.text,
      action.tokens.length,
      rewards[i]![j] ?? null,
      ...names.map((name) => parts.get(name)![i]![j] ?? null),
    ]),
  );
  const columns = ["question", "action number", "completion", "tokens", "reward", ...names];
  return ["completions", step, columns, rows.slice(0, count)];
}

async function collectStates(
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>,
): Promise<TrainingState[]> {
  const states: TrainingState[] = [];
  for await (const trajectory of trajectories)
    states.push(...statesOf(requireTrajectory(trajectory, "train")));
  if (states.length === 0)
    throw new SwirlError("CONFIG", "train: the trajectories hold no state to train on", {
      remedy: "check what the filter kept: `swirl filter` prints a table of the reasons",
      details: { field: "trajectories" },
    });
  return states;
}

/** `count`: number of sequences of the batch, including those of weight 0, which are in no call. */
function lossOptions(options: ResolvedTrainOptions, count: number): LossOptions {
  const { terms, klIn, klWeight, klEstimator, entropyWeight, temperature, tree } = options;
  const { maxTokensPerMicroBatch, maskTruncated } = options;
  return {
    ...terms,
    klWeight: klIn === "reward" ? 0 : klWeight,
    klEstimator,
    ...(entropyWeight === undefined ? {} : { entropyWeight }),
    ...(maskTruncated && terms.aggregation !== "token-mean" ? { denominators: { sequences: count } } : {}),
    temperature,
    tree,
    maxTokensPerMicroBatch,
  };
}

/** How many actions a failed verdict masks, and the first of those verdicts. */
function failedActions({ actions, verdicts }: JudgedActions): {
  failures: number;
  first: Verdict | undefined;
} {
  let failures = 0;
  let first: Verdict | undefined;
  for (const [i, row] of actions.entries())
    for (const j of row.keys()) {
      const failed = verdicts.map((part) => part[i]![j]!).find(({ status }) => status === "failed");
      if (failed) failures++;
      first ??= failed;
    }
  return { failures, first };
}

/** For a single reward; for the sum of several see frac_reward_zero_std. */
function noSignal({ parts }: ResolvedTrainOptions, { actions, verdicts }: JudgedActions): string | undefined {
  if (parts.length > 1) return undefined;
  const clipped = actions.flat().filter(({ text }) => text.finishReason === "length").length;
  return missingSignal(verdicts[0]!.flat(), parts[0]!.rewardMap, clipped);
}

function nothingJudged(step: number, verdict: Verdict): SwirlError {
  const why = verdict.status === "failed" ? verdict.error : "";
  return new SwirlError("ENDPOINT", `train: no action of step ${step + 1} could be judged: ${why}`, {
    remedy: "make the judge reachable and run again: it resumes before this step",
    details: { step },
  });
}
