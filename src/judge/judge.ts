/**
 * Judge: the generative reward model's interface. It reads one state and one action and says how good the action is.
 * It never sees the gold answer. A judgement that failed is a verdict of its own, not a zero.
 */
import { z } from "zod";
import type { StepView } from "../trajectory/step-views.js";

export type Verdict =
  | {
      status: "ok";
      good: boolean;
      /** P(GOOD) or share of votes, 0 … 1 */
      score: number;
      votes: number;
      reason?: string | undefined;
    }
  | { status: "failed"; error: string };

export interface Judge {
  /** Names judge, model, prompt version and decoding: part of a verdict's cache key. */
  readonly id: string;
  /**
   * Where the package asks (askJudge), a judge of one's own may also give true, false or a score from 0 to 1. When
   * `signal` fires, nobody waits for it any longer.
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
