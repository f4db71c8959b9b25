/**
 * The judge stage: every step of every trajectory gets a verdict, `concurrency` of them at a time, and trajectories
 * come out in the order they went in. A judge that cannot be reached gives a failed verdict, not an exception; a judge
 * that fails `maxFailuresInARow` times in a row is down, and ends the stage.
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

export interface JudgeProgress extends VerdictCounts {
  stage: "judge";
  done: number; // trajectories
  total: number | undefined; // unknown for an async iterable
}

const optionsSchema = z.strictObject({
  judge: judgeSchema,
  /** Steps judged at once. */
  concurrency: z.int().min(1).default(8),
  maxFailuresInARow: z.int().min(1).default(100),
  signal: signalSchema.optional(),
  /** Told after each trajectory, in order. */
  onProgress: callback<JudgeProgress>("onProgress").optional(),
});

export type JudgeStepsOptions = z.input<typeof optionsSchema>;

/** @throws SwirlError CONFIG, ABORTED; ENDPOINT when the judge is down. Failed trajectories without steps pass through. */
export async function* judgeSteps(
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>,
  options: JudgeStepsOptions,
): AsyncGenerator<JudgedTrajectory, VerdictCounts, undefined> {
  const { judge, concurrency, maxFailuresInARow, signal, onProgress } = parseOptions(
    optionsSchema,
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

/** Turns faults of one step into failed verdicts, and a judge that does nothing but fail into an error. */
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
          remedy:
            "see that the judge is up, then run again: verdicts that were journaled are not asked for again",
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
