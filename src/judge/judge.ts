/**
 * The interface of judges, that is, of generative reward models. A judge reads one state and one action, and rates the
 * action. It never sees the gold answer. A judgment that failed is a verdict of its own, not a score of zero.
 */
import { z } from "zod";
import type { StepView } from "../trajectory/step-views.js";

/** A judgment that was made. */
export interface GivenVerdict {
  /** A verdict was made. */
  status: "ok";
  /** Whether the action is good. */
  good: boolean;
  /** Probability of GOOD, or share of the votes for it: 0 … 1. */
  score: number;
  /** Readable replies that the score is the mean of; 1 for a rule. */
  votes: number;
  /** Why, in the judge's words. */
  reason?: string | undefined;
}

/** A judgment that failed: the step is neither good nor bad, and training leaves it out. */
export interface FailedVerdict {
  /** No verdict was made. */
  status: "failed";
  /** What went wrong, without secrets. */
  error: string;
}

/**
 * What a judge says about one step.
 *
 * @example
 * if (verdict.status === "ok") console.log(verdict.good, verdict.score);
 * else console.log(verdict.error);
 */
export type Verdict = GivenVerdict | FailedVerdict;

/**
 * Rates single steps. {@link PromptedJudge}, {@link RuleJudge} and {@link journaledJudge} are judges, and so is any
 * object of this shape.
 *
 * @example
 * const brief: Judge = {
 *   id: "brief/1",
 *   judge: async ({ action }) => {
 *     const good = action.length < 500;
 *     return { status: "ok", good, score: Number(good), votes: 1 };
 *   },
 * };
 */
export interface Judge {
  /** Names the judge, its model, prompt version and decoding. Part of a verdict's cache key: change it with the judge. */
  readonly id: string;
  /**
   * Rates one step. The stages also accept true, false or a score from 0 to 1 in place of a verdict. A rejection counts
   * as a failed verdict.
   *
   * @param options.signal When it is aborted, the stages no longer wait for the verdict.
   */
  judge(step: StepView, options?: { signal?: AbortSignal }): Promise<Verdict>;
}

export const judgeSchema = z.custom<Judge>(
  (value) => {
    const { judge, id } = (value ?? {}) as Partial<Judge>;
    return typeof judge === "function" && typeof id === "string" && id !== "";
  },
  { message: "must be a Judge (PromptedJudge, RuleJudge, or an object with id and judge())" },
);
