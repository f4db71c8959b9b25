/** The file that an evaluation appends to, and resumes from. */
import type { AnswerMatcher } from "../answers/answer-matcher.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { JsonlWriter } from "../files/jsonl-writer.js";
import { resumeJsonl } from "../files/resume.js";
import type { Judge } from "../judge/judge.js";
import { differsFrom } from "../synthesize/differs-from.js";
import type { RolloutSetup } from "../synthesize/rollout-setup.js";
import type { Choice } from "./check-trajectory.js";
import { type EvaluationRecord, readEvaluations } from "./evaluation-record.js";

/** What makes two evaluations the same run. */
export interface RunIdentity {
  setup: RolloutSetup;
  matcher: AnswerMatcher;
  judge: Judge | undefined;
  choice: Choice;
}

/**
 * Opens the file of an evaluation and puts the records that need no repetition into `finished`.
 *
 * @throws SwirlError RECORD when it holds another run.
 */
export function openOutput(
  file: string,
  run: RunIdentity,
  finished: Map<string, EvaluationRecord>,
  note: (notice: string) => void,
): Promise<JsonlWriter> {
  return resumeJsonl<EvaluationRecord>(file, {
    read: readEvaluations,
    keep: (record) => {
      const difference = differs(record, run);
      if (difference) throw otherRun(file, difference);
      if (!isComplete(record) || finished.has(record.id)) return false;
      finished.set(record.id, record);
      return true;
    },
    onTorn: (torn) =>
      note(`${torn.file}:${torn.line} is incomplete: it was moved to ${torn.keptAt} and is evaluated again`),
  });
}

/** Whether nothing in the record failed, so that evaluating it again would not change it. */
function isComplete(record: EvaluationRecord): boolean {
  const retried = record.undecided !== undefined && record.undecided !== "no gold answer";
  return !retried && !record.verdicts?.some((verdict) => verdict.status === "failed");
}

/** How a record differs from what this run would make; undefined when it does not. */
function differs(
  record: EvaluationRecord,
  { setup, matcher, judge, choice }: RunIdentity,
): string | undefined {
  if (record.matcher !== matcher.id) return `its matcher is ${record.matcher}, this one is ${matcher.id}`;
  if ((record.sampled ?? 1) !== choice.votes)
    return `its votes are ${record.sampled ?? 1}, here they are ${choice.votes}`;
  if (choice.votes > 1 && record.select !== (choice.select ?? "majority"))
    return `it was selected by ${record.select}, here by ${choice.select ?? "majority"}`;
  if (record.judge !== judge?.id)
    return `its judge is ${record.judge ?? "none"}, this one is ${judge?.id ?? "none"}`;
  return differsFrom(record.trajectory, setup);
}

export function otherRun(file: string, difference: string): SwirlError {
  return new SwirlError("RECORD", `${file} holds an evaluation of another run: ${difference}`, {
    remedy: "write to another file, or delete this one",
    details: { file },
  });
}
