/** What to change when a filter keeps nothing, from the reasons in its table. */
import type { FilterReason, FilterTable } from "./filter-table.js";

const ADVICE: Record<FilterReason, string> = {
  "rollout failed":
    "most rollouts failed: look at `error` in trajectories.jsonl, then run again; failed ones are rolled out again",
  "malformed action judged BAD":
    "the policy does not write the format yet: raise sft.demonstrations.limit, sft.epochs or sft.lr, or rollout.maxNewTokens where actions are cut off",
  "call judged BAD":
    "the judge calls the calls BAD: raise sft.epochs or synthesize.samples, or use a less strict judge (docs/judges.md)",
  "answer judged BAD":
    "the judge calls the answers BAD: raise sft.epochs or synthesize.samples, or use a less strict judge (docs/judges.md)",
  "judge failed":
    "the judge gave no verdicts: look at `error` in verdicts.jsonl, then run again; the judge is asked again",
  "no answer": "few trajectories reach an answer: raise task.callLimit, rollout.maxNewTokens or sft.epochs",
  "no gold answer": 'the questions have no answers to compare with: set filter.kind to "process"',
  "wrong answer":
    'the answers are wrong: raise synthesize.samples or sft.epochs, or set filter.kind to "process"',
  "answer check failed": "the answers could not be checked: look at the matcher, then run again",
};

/** Empty when the filter kept something. One line per reason, the most frequent first, then what other filters keep. */
export function filterAdvice(table: FilterTable): string[] {
  if (table.handedOn > 0) return [];
  const applied = table.rows.find((row) => row.kind === table.applied);
  const reasons = Object.entries(applied?.dropped ?? {}).sort(([, a], [, b]) => b - a) as [
    FilterReason,
    number,
  ][];
  const others = table.rows.filter((row) => row.kept > 0 && row.kind !== table.applied);
  return [
    `the ${table.applied} filter kept none of ${table.pool} trajectories: there is nothing to train on`,
    ...reasons.map(([reason, count]) => `  ${count} × ${reason}: ${ADVICE[reason]}`),
    ...others.map(({ kind, kept }) => `  filter.kind "${kind}" would keep ${kept}`),
  ];
}
