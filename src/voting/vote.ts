/**
 * Several trajectories for one question, and one of them chosen: by majority, or by a judge. `solve` and `evaluate`
 * share it.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import type { Judge, Verdict } from "../judge/judge.js";
import { rollout } from "../synthesize/rollout.js";
import type { RolloutSetup } from "../synthesize/rollout-setup.js";
import type { Question } from "../trajectory/question.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { rateTrajectories } from "./best-of-n.js";
import { type AnswerVotes, countVotes } from "./majority.js";

/** Options of a vote. {@link solve} and {@link evaluate} share them. */
export interface VoteOptions {
  /**
   * Trajectories per question, 1 to 1024.
   * @default 1
   */
  votes?: number | undefined;
  /**
   * Which of several trajectories is taken. "majority", the default: one with the answer that most of them give.
   * "judge": the one whose steps the judge rates highest on average (best of n).
   */
  select?: "majority" | "judge" | undefined;
}

export const voteShape = {
  votes: z.int().min(1).max(1024).default(1),
  select: z.enum(["majority", "judge"]).optional(),
};

/** The default temperature: greedy for one trajectory, 0.7 for several. */
export function voteTemperature(votes: number): number {
  return votes > 1 ? 0.7 : 0;
}

/** @throws SwirlError CONFIG for options of a vote that contradict each other. */
export function checkVote(
  options: { votes: number; select?: "majority" | "judge" | undefined; temperature: number; judge?: unknown },
  what: string,
): void {
  const { votes, select, temperature, judge } = options;
  const refuse = (field: string, message: string, remedy: string): never => {
    throw new SwirlError("CONFIG", `${what}: ${message}`, { remedy, details: { field } });
  };
  if (votes === 1 && select !== undefined)
    refuse("select", `select: "${select}" has no effect with one trajectory`, "raise votes, or leave it out");
  if (votes > 1 && temperature === 0)
    refuse(
      "temperature",
      `${votes} votes at temperature 0 give the same answer ${votes} times`,
      "raise temperature (0.7), or set votes to 1",
    );
  if (select === "judge" && judge === undefined)
    refuse("judge", 'select: "judge" needs a judge', 'give judge, or select: "majority"');
}

/** The result of a vote. */
export interface VoteResult {
  /** All trajectories, by sample. */
  trajectories: Trajectory[];
  /** The one that was chosen. If none has an answer, the first that did not fail. */
  chosen: Trajectory;
  /** The answers, most votes first. Empty when no trajectory has one. */
  votes: AnswerVotes[];
  /** The judge's verdicts on the chosen trajectory; only with `select: "judge"`. */
  verdicts?: Verdict[];
  /** Why the judge could choose none: each trajectory with an answer has a failed verdict. */
  undecided?: string;
}

/** Rolls out a question `votes` times at once and chooses. The samples are those of {@link synthesize}. */
export async function vote(
  question: Question,
  setup: RolloutSetup,
  options: { votes: number; select?: "majority" | "judge" | undefined; judge?: Judge | undefined },
  signal: AbortSignal | undefined,
  onTrajectory?: (trajectory: Trajectory) => unknown,
): Promise<VoteResult> {
  const samples = Array.from({ length: options.votes }, (_, sample) => sample);
  const trajectories = await Promise.all(
    samples.map(async (sample) => {
      const trajectory = await rollout(question, sample, setup, signal);
      onTrajectory?.(trajectory);
      return trajectory;
    }),
  );
  const votes = await countVotes(trajectories, setup.task.matcher, signal);
  const fallback = trajectories.find(({ end }) => end !== "failed") ?? trajectories[0]!;
  if (votes.length === 0) return { trajectories, chosen: fallback, votes };
  const popular = trajectories[votes[0]!.samples[0]!]!;
  if (options.select !== "judge") return { trajectories, chosen: popular, votes };

  const rated = await rateTrajectories(trajectories, options.judge!, signal);
  const known = rated.filter(({ score }) => score !== undefined);
  if (known.length === 0) {
    const failed = rated[0]!.verdicts.find(({ status }) => status === "failed") as { error: string };
    return {
      trajectories,
      chosen: popular,
      votes,
      undecided: `no trajectory could be judged: ${failed.error}`,
    };
  }
  const support = ({ sample }: Trajectory) =>
    votes.find(({ samples }) => samples.includes(sample))!.samples.length;
  const best = known.reduce((best, next) => {
    const lead = next.score! - best.score!;
    return lead > 0 || (lead === 0 && support(next.trajectory) > support(best.trajectory)) ? next : best;
  });
  return { trajectories, chosen: best.trajectory, votes, verdicts: best.verdicts };
}
