/**
 * Best of n: the trajectory whose steps the judge rates highest. Only trajectories with an answer compete. One with a
 * failed verdict does not: its score is unknown.
 */
import { askJudge } from "../judge/ask-judge.js";
import type { Judge, Verdict } from "../judge/judge.js";
import { stepViews } from "../trajectory/step-views.js";
import type { Trajectory } from "../trajectory/trajectory.js";

/** A trajectory with the judge's verdicts. */
export interface RatedTrajectory {
  trajectory: Trajectory;
  /** One per step. */
  verdicts: Verdict[];
  /** Mean of the steps' scores, 0 to 1; undefined when a verdict failed. */
  score: number | undefined;
}

/** Rates every trajectory that has an answer, in their order. */
export async function rateTrajectories(
  trajectories: readonly Trajectory[],
  judge: Judge,
  signal?: AbortSignal,
): Promise<RatedTrajectory[]> {
  const answered = trajectories.filter(({ answer }) => answer !== undefined);
  return await Promise.all(
    answered.map(async (trajectory) => {
      const views = stepViews(trajectory);
      const verdicts = await Promise.all(views.map((view) => askJudge(judge, view, signal)));
      return { trajectory, verdicts, score: meanScore(verdicts) };
    }),
  );
}

function meanScore(verdicts: readonly Verdict[]): number | undefined {
  let sum = 0;
  for (const verdict of verdicts) {
    if (verdict.status === "failed") return undefined;
    sum += verdict.score;
  }
  return sum / verdicts.length;
}
