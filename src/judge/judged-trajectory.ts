/** A trajectory with one verdict a step, and counts over many. */
import { z } from "zod";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { Verdict } from "./judge.js";

export const verdictSchema = z.discriminatedUnion("status", [
  z.strictObject({
    status: z.literal("ok"),
    good: z.boolean(),
    score: z.number().min(0).max(1),
    votes: z.int().min(0),
    reason: z.string().optional(),
  }),
  z.strictObject({ status: z.literal("failed"), error: z.string() }),
]);

/** For errors: what a judge may return. */
export const VERDICT_SHAPE =
  'true or false, a score from 0 to 1, { status: "ok", good: true, score: 1, votes: 1 }, or { status: "failed", error: "why" }';

/** Unknown keys are left out, so that every verdict can be recorded and read again. */
const givenSchema = z.discriminatedUnion("status", [
  verdictSchema.options[0].strip(),
  verdictSchema.options[1].strip(),
]);

/** What a judge gave, as a verdict; undefined when it is none. */
export function asVerdict(value: unknown): Verdict | undefined {
  if (typeof value === "boolean") return { status: "ok", good: value, score: Number(value), votes: 1 };
  if (typeof value === "number") {
    return value >= 0 && value <= 1
      ? { status: "ok", good: value >= 0.5, score: value, votes: 1 }
      : undefined;
  }
  const parsed = givenSchema.safeParse(value);
  return parsed.success ? withoutAbsent(parsed.data) : undefined;
}

/** Without a key for a reason that is undefined. */
export function withoutAbsent(verdict: z.infer<typeof verdictSchema>): Verdict {
  if (verdict.status === "failed") return verdict;
  const { reason, ...rest } = verdict;
  return reason === undefined ? rest : { ...rest, reason };
}

export interface JudgedTrajectory {
  trajectory: Trajectory;
  /** One per step, in order. */
  verdicts: Verdict[];
}

export interface VerdictCounts {
  trajectories: number;
  steps: number;
  good: number;
  bad: number;
  failed: number; // neither: no verdict could be had
}

export function noVerdicts(): VerdictCounts {
  return { trajectories: 0, steps: 0, good: 0, bad: 0, failed: 0 };
}

export function addVerdicts(counts: VerdictCounts, verdicts: readonly Verdict[]): VerdictCounts {
  const of = (kind: "good" | "bad" | "failed") =>
    verdicts.filter((verdict) => verdictKind(verdict) === kind).length;
  return {
    trajectories: counts.trajectories + 1,
    steps: counts.steps + verdicts.length,
    good: counts.good + of("good"),
    bad: counts.bad + of("bad"),
    failed: counts.failed + of("failed"),
  };
}

function verdictKind(verdict: Verdict): "good" | "bad" | "failed" {
  return verdict.status === "failed" ? "failed" : verdict.good ? "good" : "bad";
}
