/**
 * Judge: the generative reward model's interface. It reads one state and one action and says how good the action is.
 * It never sees the gold answer. A judgement that failed is a verdict of its own, not a zero.
 */

/** What a judge may read. Plain text, so that any model or rule can judge any policy. */
export interface StepView {
  question: string;
  /** What came before, oldest first: the actions and what the environment replied. */
  history: readonly { action: string; observation?: string }[];
  action: string;
  kind: "call" | "answer" | "malformed";
  call?: { name: string; input: string };
  answer?: string;
  /** Tool calls still allowed after this action. */
  callsLeft: number;
}

export type Verdict =
  | {
      status: "ok";
      good: boolean;
      /** P(GOOD) or share of votes, 0 … 1 */
      score: number;
      votes: number;
      reason?: string;
    }
  | { status: "failed"; error: string };

export interface Judge {
  /** Names judge, model, prompt version and decoding: part of a verdict's cache key. */
  readonly id: string;
  judge(step: StepView, options?: { signal?: AbortSignal }): Promise<Verdict>;
}
