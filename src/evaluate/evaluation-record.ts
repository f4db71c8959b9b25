/** One evaluated question, a line of an evaluation file. The trajectory is whole, so a report can show it. */
import { z } from "zod";
import { readRecords, type TornLine } from "../files/jsonl-reader.js";
import { verdictSchema } from "../judge/judged-trajectory.js";
import { trajectorySchema } from "../trajectory/trajectory.js";

export const EVALUATION_VERSION = 1;

export const evaluationSchema = z.strictObject({
  version: z.literal(EVALUATION_VERSION),
  id: z.string(), // the question's
  matcher: z.string(),
  /** By the matcher; null when that cannot be said: no gold answer, a failed check, a failed rollout. */
  correct: z.boolean().nullable(),
  /** Why `correct` is null. */
  undecided: z.enum(["no gold answer", "answer check failed", "rollout failed"]).optional(),
  error: z.string().optional(),
  /** Against the best accepted answer; 0 without an answer. */
  exact: z.boolean(),
  f1: z.number(),
  numeric: z.boolean(),
  toolCalls: z.int().min(0), // executed
  judge: z.string().optional(),
  verdicts: z.array(verdictSchema).optional(),
  trajectory: trajectorySchema,
});

export type EvaluationRecord = z.infer<typeof evaluationSchema>;

export function readEvaluations(
  file: string,
  options: { onTorn?: (torn: TornLine) => void } = {},
): AsyncGenerator<EvaluationRecord, void, undefined> {
  return readRecords(file, evaluationSchema, { ...options, what: "evaluation", version: EVALUATION_VERSION });
}
