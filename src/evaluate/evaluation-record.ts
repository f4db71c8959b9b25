/** One evaluated question: a line of an evaluation file. It holds the whole trajectory, so a report can show it. */

import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { readRecords, type TornLine } from "../files/jsonl-reader.js";
import type { Verdict } from "../judge/judge.js";
import { verdictSchema } from "../judge/judged-trajectory.js";
import { type Trajectory, trajectorySchema } from "../trajectory/trajectory.js";

export const EVALUATION_VERSION = 1;

/** An answer of a vote. */
export interface RecordedVotes {
  /** The answer, in the words of the first trajectory that gave it. */
  answer: string;
  /** Trajectories that gave it. */
  count: number;
}

/** One evaluated question: a line of an evaluation file. */
export interface EvaluationRecord {
  /** Version of the record. */
  version: typeof EVALUATION_VERSION;
  /** Id of the question. */
  id: string;
  /** Id of the matcher that decided `correct`. */
  matcher: string;
  /** Whether the matcher accepts the answer. Null when that is unknown: see `undecided`. */
  correct: boolean | null;
  /** Why `correct` is null. */
  undecided?: "no gold answer" | "answer check failed" | "rollout failed" | "selection failed" | undefined;
  /** What failed, when the rollout, the answer check or the selection did. */
  error?: string | undefined;
  /** Whether the answer matches an accepted one exactly, after normalization. False without an answer. */
  exact: boolean;
  /** Word overlap F1 with the best accepted answer, 0 to 1. 0 without an answer. */
  f1: number;
  /** Whether the answer is the same number as an accepted one. False without an answer. */
  numeric: boolean;
  /** Tool calls that were executed. */
  toolCalls: number;
  /** Id of the judge. Absent when steps were not judged. */
  judge?: string | undefined;
  /** One verdict per step, in order. Absent when steps were not judged. */
  verdicts?: Verdict[] | undefined;
  /** With several trajectories per question: how many each answer has, most first. Their sum is `sampled` at most. */
  votes?: RecordedVotes[] | undefined;
  /** Trajectories that were rolled out, when several were. */
  sampled?: number | undefined;
  /** How the trajectory was chosen, when several were rolled out. */
  select?: "majority" | "judge" | undefined;
  /** The rollout; of several, the chosen one. */
  trajectory: Trajectory;
}

export const evaluationSchema = z.strictObject({
  version: z.literal(EVALUATION_VERSION),
  id: z.string(),
  matcher: z.string(),
  correct: z.boolean().nullable(),
  undecided: z
    .enum(["no gold answer", "answer check failed", "rollout failed", "selection failed"])
    .optional(),
  error: z.string().optional(),
  exact: z.boolean(),
  f1: z.number(),
  numeric: z.boolean(),
  toolCalls: z.int().min(0),
  judge: z.string().optional(),
  verdicts: z.array(verdictSchema).optional(),
  votes: z.array(z.strictObject({ answer: z.string(), count: z.int().min(1) })).optional(),
  sampled: z.int().min(2).optional(),
  select: z.enum(["majority", "judge"]).optional(),
  trajectory: trajectorySchema,
});

/**
 * Reads an evaluation file, one record in memory at a time.
 *
 * @param options `onTorn` is called for a last line that a killed process left unfinished. Without it such a line is
 * an error.
 * @throws SwirlError RECORD with file, line and field, also when the file has another version.
 */
export function readEvaluations(
  file: string,
  options: { onTorn?: (torn: TornLine) => void } = {},
): AsyncGenerator<EvaluationRecord, void, undefined> {
  return ofArguments("readEvaluations", "(file, { onTorn? })", () =>
    readRecords(file, evaluationSchema, { ...options, what: "evaluation", version: EVALUATION_VERSION }),
  );
}
