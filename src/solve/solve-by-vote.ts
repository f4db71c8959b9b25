/**
 * Stage 3 with more computation: one question is solved several times at once, and the answer is chosen by majority or
 * by a judge.
 */
import { z } from "zod";
import type { Judge } from "../judge/judge.js";
import { judgeSchema } from "../judge/judge.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { type Policy, policySchema } from "../policy/policy.js";
import { type RolloutOptions, rolloutShape, taskSchema } from "../synthesize/rollout-options.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import type { Task } from "../synthesize/task.js";
import type { Question } from "../trajectory/question.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { checkVote, type VoteOptions, type VoteResult, vote } from "../voting/vote.js";
import { askedQuestion } from "./asked-question.js";

/** Options of {@link solveByVote}. */
export interface SolveByVoteOptions extends RolloutOptions, VoteOptions {
  /** The policy that acts. */
  policy: Policy;
  /** Prompt, tools and call limit: `searchTask(tool)`, `calculatorTask(tool)` or `defineTask({ … })`. */
  task: Task;
  /** Rates the trajectories' steps, for `select: "judge"`. */
  judge?: Judge | undefined;
  /**
   * Trajectories, 2 to 1024.
   * @default 8
   */
  votes?: number | undefined;
  /**
   * Which trajectory is taken. "majority": one with the answer that most of them give. "judge": the one whose steps the
   * judge rates highest on average (best of n).
   * @default "majority"
   */
  select?: "majority" | "judge" | undefined;
  /**
   * Sampling temperature, above 0.
   * @default 0.7
   */
  temperature?: number | undefined;
  /**
   * Seed of sampling, an integer.
   * @default 0
   */
  seed?: number | undefined;
  /** Ends the call with code ABORTED. */
  signal?: AbortSignal | undefined;
  /** Called after each trajectory, as they finish. */
  onTrajectory?: ((event: Trajectory) => unknown) | undefined;
}

export const solveByVoteSchema = z.strictObject({
  policy: policySchema,
  task: taskSchema,
  judge: judgeSchema.optional(),
  votes: z.int().min(2).max(1024).default(8),
  select: z.enum(["majority", "judge"]).default("majority"),
  temperature: samplingTemperature.default(0.7),
  seed: z.int().default(0),
  signal: signalSchema.optional(),
  onTrajectory: callback<Trajectory>("onTrajectory").optional(),
  ...rolloutShape,
});

/**
 * Solves one question `votes` times and chooses one of the trajectories.
 *
 * @param question The text, or a question with its id and accepted answers (which play no part in the choice).
 * @throws SwirlError CONFIG for bad options, INPUT for an invalid question, ABORTED.
 * @example
 * const { chosen, votes } = await solveByVote("What is 48 / 2 + 3?", { policy, task, votes: 16 });
 * console.log(chosen.answer, `${votes[0]?.samples.length ?? 0} of 16`);
 */
export async function solveByVote(
  question: string | Question,
  options: SolveByVoteOptions,
): Promise<VoteResult> {
  const { policy, task, judge, signal, onTrajectory, votes, select, ...rest } = parseOptions(
    solveByVoteSchema,
    options,
    "solveByVote",
  );
  checkVote({ votes, select, judge, temperature: rest.temperature }, "solveByVote");
  const asked = askedQuestion(question, "solveByVote");
  return await vote(asked, rolloutSetup(policy, task, rest), { votes, select, judge }, signal, onTrajectory);
}
