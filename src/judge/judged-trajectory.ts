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
