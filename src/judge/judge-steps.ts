/**
 * The judge stage: every step of every trajectory gets a verdict. `concurrency` steps are judged at a time, and
 * trajectories keep their order. A judge that cannot be reached gives a failed verdict, not an exception. A judge that
 * fails `maxFailuresInARow` times in a row is considered down and ends the stage.
 */
import pLimit from "p-limit";
import { z } from "zod";
import { mapConcurrent } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import type { StepView } from "../trajectory/step-views.js";
import { stepViews } from "../trajectory/step-views.js";
import { requireTrajectory, type Trajectory } from "../trajectory/trajectory.js";
import { askJudge } from "./ask-judge.js";
import type { Judge, Verdict } from "./judge.js";
import { judgeSchema } from "./judge.js";
import { addVerdicts, type JudgedTrajectory, noVerdicts, type VerdictCounts } from "./judged-trajectory.js";

/** Progress of {@link judgeSteps}: counts of what was judged so far. */
export interface JudgeProgress extends VerdictCounts {
  /** The stage that reports. */
  stage: "judge";
  /** Trajectories judged so far. */
  done: number;
  /** Trajectories in all; undefined when the input is not an array. */
  total: number | undefined;
}

/** Options of {@link judgeSteps}. */
export interface JudgeStepsOptions {
  /** The judge. Wrap it with {@link journaledJudge} to keep its verdicts. */
  judge: Judge;
  /** Steps judged at once, at least 1. @default 8 */
  concurrency?: number | undefined;
  /** The stage ends with code ENDPOINT after this many failed verdicts in a row, at least 1. @default 100 */
  maxFailuresInARow?: number | undefined;
  /** Ends the stage with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called after each trajectory, in order. */
  onProgress?: ((event: JudgeProgress) => unknown) | undefined;
}

export const judgeStepsSchema = z.strictObject({
  judge: judgeSchema,
  concurrency: z.int().min(1).default(8),
  maxFailuresInARow: z.int().min(1).default(100),
  signal: signalSchema.optional(),
  onProgress: callback<JudgeProgress>("onProgress").optional(),
});

/**
 * Judges every step of every trajectory. Yields the trajectories in order, each with one verdict per step, and returns
 * the counts of verdicts. Trajectories without steps pass through.
 *
 * @throws SwirlError CONFIG for bad options or a judge that returns no verdicts, ABORTED, ENDPOINT when the judge is down.
 * @example
 * const judge = new PromptedJudge({ policy });
 * for await (const { trajectory, verdicts } of judgeSteps(readTrajectories("trajectories.jsonl"), { judge }))
 *   console.log(trajectory.id, verdicts.map((verdict) => verdict.status === "ok" && verdict.good));
 */
export async function* judgeSteps(
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>,
  options: JudgeStepsOptions,
): AsyncGenerator<JudgedTrajectory, VerdictCounts, undefined> {
  const { judge, concurrency, maxFailuresInARow, signal, onProgress } = parseOptions(
    judgeStepsSchema,
    options,
    "judgeSteps",
  );
  const limit = pLimit(concurrency);
  const guard = new JudgeGuard(judge, maxFailuresInARow);
  const judgeAll = async (
    { trajectory, index }: { trajectory: Trajectory; index: number },
    inner: AbortSignal,
  ) => {
    const views = stepViews(trajectory);
    const verdicts = await Promise.all(views.map((view) => limit(() => guard.judge(view, inner))));
    return { index, judged: { trajectory, verdicts } };
  };
  const total = Array.isArray(trajectories) ? trajectories.length : undefined;
  let counts = noVerdicts();
  const early = new Map<number, JudgedTrajectory>();
  let next = 0;
  for await (const { index, judged } of mapConcurrent(
    numbered(trajectories),
    concurrency,
    judgeAll,
    signal,
  )) {
    early.set(index, judged);
    for (let ready = early.get(next); ready !== undefined; ready = early.get(next)) {
      early.delete(next++);
      counts = addVerdicts(counts, ready.verdicts);
      onProgress?.({ stage: "judge", done: counts.trajectories, total, ...counts });
      yield ready;
    }
  }
  return counts;
}

/** Counts failed verdicts in a row, and throws when the judge is down. */
class JudgeGuard {
  readonly #judge: Judge;
  readonly #limit: number;
  #inARow = 0;

  constructor(judge: Judge, limit: number) {
    this.#judge = judge;
    this.#limit = limit;
  }

  async judge(view: StepView, signal: AbortSignal): Promise<Verdict> {
    const verdict = await askJudge(this.#judge, view, signal);
    this.#inARow = verdict.status === "failed" ? this.#inARow + 1 : 0;
    if (verdict.status === "failed" && this.#inARow >= this.#limit) {
      throw new SwirlError(
        "ENDPOINT",
        `the judge ${this.#judge.id} failed ${this.#inARow} times in a row; the last: ${verdict.error}`,
        {
          remedy: "check that the judge is up, then run again: journaled verdicts are kept",
        },
      );
    }
    return verdict;
  }
}

async function* numbered(trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>) {
  let index = 0;
  for await (const trajectory of trajectories) {
    yield { trajectory: requireTrajectory(trajectory, "judgeSteps"), index: index++ };
  }
}
