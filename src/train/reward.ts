/**
 * The reward of a fresh action, if it is not simply a judge's verdict: a reward gets the whole state and may act in it.
 *
 * `outcomeReward` is the control condition for SWiRL: reward by outcome alone, on the same states. Each action is
 * executed and the trajectory played to its end with live tools, by the policy that is being trained, at the
 * temperature it is trained at; GOOD when the final answer matches the gold answer. One such end is an unbiased
 * estimate of the action's value, and costs the rest of a rollout.
 */

import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { matchAnswer } from "../answers/match-answer.js";
import { ofArguments, ofArgumentsAsync } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Verdict } from "../judge/judge.js";
import type { Action } from "../policy/policy.js";
import type { TrainerPolicy } from "../policy/trainer-policy.js";
import { continueRollout } from "../synthesize/rollout.js";
import type { RolloutOptions } from "../synthesize/rollout-options.js";
import { rolloutSchema } from "../synthesize/rollout-options.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import type { Task } from "../synthesize/task.js";
import type { TrainingState } from "./states.js";

/** What a reward may use to score an action. */
export interface RewardContext {
  /** The policy that is trained, as it is at this update. */
  policy: TrainerPolicy;
  /** The run's sampling temperature. */
  temperature: number;
  /** Token limit of a fresh action. */
  maxNewTokens: number;
  /** Seed of this action alone; it depends on (run, update, state, action). */
  seed: number;
  /** Aborted when the run stops. */
  signal?: AbortSignal;
}

/** Scores fresh actions, given the whole state. */
export interface Reward {
  /** A resumed run must have the same id as the first. */
  readonly id: string;
  /** Called once before the first update, with all states. Throws a SwirlError if it could score none of them. */
  check?(states: readonly TrainingState[]): void;
  /** The verdict on one fresh action. Must not change state or action. */
  score(state: TrainingState, action: Action, context: RewardContext): Promise<Verdict>;
}

/** Options of `outcomeReward`. */
export interface OutcomeRewardOptions {
  /** The task of the trajectories, with its live tools. */
  task: Task;
  /** Default: the task's. */
  matcher?: AnswerMatcher;
  /** Options that the trajectories were rolled out with: keepThoughts, malformed, … */
  rollout?: Omit<RolloutOptions, "maxNewTokens">;
}

/** A state without a gold answer, and an answer that could not be checked, are failed verdicts: masked, not zero. */
export function outcomeReward(options: OutcomeRewardOptions): Reward {
  return ofArguments("outcomeReward", "{ task, … }", () => {
    const { task, rollout = {} } = options;
    const matcher = options.matcher ?? task.matcher;
    return {
      id: `outcome/${task.name}/${matcher.id}`,
      check: (states) =>
        ofArguments("check", "training states", () => {
          if (states.length === 0 || states.some(({ trajectory }) => trajectory.gold.length > 0)) return;
          throw new SwirlError("INPUT", "outcomeReward: no trajectory has a gold answer to compare with", {
            remedy: "synthesize from questions with answers, or train with a judge",
            details: { field: "trajectories" },
          });
        }),
      score: (state, action, context) =>
        ofArgumentsAsync("score", "(state, action, context)", async () => {
          const { trajectory, step } = state;
          const { policy, temperature, maxNewTokens, seed, signal } = context;
          if (trajectory.gold.length === 0)
            return { status: "failed", error: `question ${trajectory.questionId} has no gold answer` };
          const parsed = rolloutSchema.parse({ ...rollout, temperature, maxNewTokens, seed });
          const setup = rolloutSetup(policy, task, { ...parsed, callLimit: trajectory.callLimit });
          const end = await continueRollout(trajectory, step, { action, seed }, setup, signal);
          if (end.end === "failed") return { status: "failed", error: end.error ?? "the rollout failed" };
          const verdict =
            end.answer === undefined
              ? ({ status: "ok", correct: false } as const)
              : await matchAnswer(matcher, end, signal);
          if (verdict.status === "failed") return verdict;
          return { status: "ok", good: verdict.correct, score: Number(verdict.correct), votes: 1 };
        }),
    };
  });
}
