/** A trajectory with one verdict per step, and counts over many trajectories. */

import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { Verdict } from "./judge.js";

/** The zod schema of a recorded {@link Verdict}. */
export const verdictSchema = z.discriminatedUnion("status", [
  z.strictObject({
    /** A verdict was made. */
    status: z.literal("ok"),
    /** Whether the action is good. */
    good: z.boolean(),
    /** Probability of GOOD, or share of the votes for it: 0 … 1. */
    score: z.number().min(0).max(1),
    /** Readable replies that the score is the mean of; 1 for a rule. */
    votes: z.int().min(0),
    /** Why, in the judge's words. */
    reason: z.string().optional(),
  }),
  z.strictObject({
    /** No verdict was made. */
    status: z.literal("failed"),
    /** What went wrong, without secrets. */
    error: z.string(),
  }),
]);

/** For errors: what a judge may return. */
export const VERDICT_SHAPE =
  'true or false, a score from 0 to 1, { status: "ok", good: true, score: 1, votes: 1 }, or { status: "failed", error: "why" }';

/** Drops unknown keys, so that every verdict can be recorded and read again. */
const givenSchema = z.discriminatedUnion("status", [
  verdictSchema.options[0].strip(),
  verdictSchema.options[1].strip(),
]);

/** What a judge returned, as a verdict; undefined when it is not one. */
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

/** Drops the key of a reason that is undefined. */
export function withoutAbsent(verdict: z.infer<typeof verdictSchema>): Verdict {
  if (verdict.status === "failed") return verdict;
  const { reason, ...rest } = verdict;
  return reason === undefined ? rest : { ...rest, reason };
}

/** A trajectory and the verdicts on its steps. */
export interface JudgedTrajectory {
  /** The trajectory that was judged. */
  trajectory: Trajectory;
  /** One per step, in order. */
  verdicts: Verdict[];
}

/** Counts of verdicts over trajectories: `steps` = `good` + `bad` + `failed`. */
export interface VerdictCounts {
  /** Trajectories counted. */
  trajectories: number;
  /** Their steps. */
  steps: number;
  /** Steps called GOOD. */
  good: number;
  /** Steps called BAD. */
  bad: number;
  /** Steps without a verdict. */
  failed: number;
}

/** Counts that are all 0: the start of a sum with {@link addVerdicts}. */
export function noVerdicts(): VerdictCounts {
  return { trajectories: 0, steps: 0, good: 0, bad: 0, failed: 0 };
}

/**
 * Adds one trajectory's verdicts to the counts. Pure: returns new counts.
 *
 * @example
 * let counts = noVerdicts();
 * for (const { verdicts } of judged) counts = addVerdicts(counts, verdicts);
 */
export function addVerdicts(counts: VerdictCounts, verdicts: readonly Verdict[]): VerdictCounts {
  return ofArguments("addVerdicts", "(counts, verdicts)", () => {
    const of = (kind: "good" | "bad" | "failed") =>
      verdicts.filter((verdict) => verdictKind(verdict) === kind).length;
    return {
      trajectories: counts.trajectories + 1,
      steps: counts.steps + verdicts.length,
      good: counts.good + of("good"),
      bad: counts.bad + of("bad"),
      failed: counts.failed + of("failed"),
    };
  });
}

function verdictKind(verdict: Verdict): "good" | "bad" | "failed" {
  return verdict.status === "failed" ? "failed" : verdict.good ? "good" : "bad";
}
