/** An evaluation as trackers show it: its rates with their bounds, and some trajectories as a table. Pure. */
import type { TrackedCell } from "../trackers/tracker.js";
import type { EvaluationRecord } from "./evaluation-record.js";
import type { Estimate, EvaluationSummary } from "./summary.js";

export function evaluationMetrics(summary: EvaluationSummary): Record<string, number> {
  const { accuracy, exact, numeric, f1, processLabel, undecided } = summary;
  const bounds = (name: string, { value, low, high, n }: Estimate) =>
    n === 0 ? {} : { [name]: value, [`${name}_low`]: low, [`${name}_high`]: high };
  return {
    ...bounds("accuracy", accuracy),
    ...bounds("exact", exact),
    ...bounds("numeric", numeric),
    ...bounds("f1", f1),
    ...(processLabel ? bounds("process_label", processLabel) : {}),
    questions: summary.questions,
    unchecked: Object.values(undecided).reduce((sum, count) => sum + count, 0),
    "tools/calls_per_question": summary.toolCallsPerQuestion,
    steps_per_question: summary.stepsPerQuestion,
  };
}

export const TRAJECTORY_COLUMNS = [
  "id",
  "question",
  "accepted",
  "answer",
  "correct",
  "ended in",
  "tool calls",
  "trajectory",
];

export function trajectoryRows(records: readonly EvaluationRecord[]): TrackedCell[][] {
  return records.map(({ id, correct, toolCalls, trajectory, verdicts }) => [
    id,
    trajectory.question,
    trajectory.gold.join(" | "),
    trajectory.answer ?? null,
    correct,
    trajectory.end,
    toolCalls,
    trajectory.steps
      .map(({ text, observation }, i) => {
        const verdict = verdicts?.[i];
        const label = !verdict
          ? ""
          : verdict.status === "failed"
            ? " [not judged]"
            : verdict.good
              ? " [GOOD]"
              : " [BAD]";
        return `${i + 1}. ${text.trim()}${label}${observation ? `\n→ ${observation.text}` : ""}`;
      })
      .join("\n"),
  ]);
}
