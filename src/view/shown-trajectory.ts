/** A trajectory as the page gets it: long texts truncated, thoughts separated from the text around them. */
import type { Verdict } from "../judge/judge.js";
import { stepKey } from "../judge/step-key.js";
import { thoughtSpans } from "../messages/thought.js";
import { stepViews } from "../trajectory/step-views.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { RunView } from "./run-view.js";
import { shortKey } from "./trajectory-row.js";

/** Maximum characters of one text that the page shows. */
const MOST_CHARACTERS = 200_000;

/** `verdicts` [steps]: undefined for a step that was not judged. */
export function shownTrajectory(trajectory: Trajectory, verdicts: readonly (Verdict | undefined)[]) {
  return {
    question: text(trajectory.question),
    questionId: trajectory.questionId,
    gold: (trajectory.gold ?? []).slice(0, 50).map(text),
    answer: text(trajectory.answer),
    end: trajectory.end,
    policy: trajectory.policy,
    callLimit: trajectory.callLimit,
    seed: trajectory.seed,
    sample: trajectory.sample,
    prompt: (trajectory.prompt ?? []).map(({ role, content }) => ({ role, content: text(content) })),
    steps: trajectory.steps.map((step, i) => ({
      ...spoken(step.text, trajectory.format?.opensThought === true),
      kind: step.kind,
      problem: step.problem,
      call: step.call && { name: text(step.call.name), input: text(step.call.input) },
      observation: step.observation && { ...step.observation, text: text(step.observation.text) },
      finishReason: step.finishReason,
      milliseconds: step.milliseconds,
      tokens: step.action?.length ?? 0,
      logprob: step.logprobs?.length ? step.logprobs.reduce((sum, value) => sum + value, 0) : undefined,
      verdict: verdicts[i],
    })),
  };
}

/** The trajectory of a record; an evaluation has it inside. */
export function partsOfRecord(value: unknown): {
  trajectory: Trajectory;
  evaluation: Record<string, never> | undefined;
} {
  const { trajectory } = value as { trajectory?: Trajectory };
  if (trajectory) return { trajectory, evaluation: value as Record<string, never> };
  return { trajectory: value as Trajectory, evaluation: undefined };
}

/** [steps] The verdicts of a judge in the journal; undefined for a step that it has not judged. */
export async function journaledVerdicts(
  verdicts: RunView["verdicts"],
  judge: string,
  trajectory: Trajectory,
): Promise<(Verdict | undefined)[]> {
  const keys = stepViews(trajectory).map((view) => shortKey(stepKey(judge, view)));
  return await Promise.all(keys.map((key) => verdicts.read(key)));
}

/** Splits a text into thoughts and other parts, so that the page can fold the thoughts. */
function spoken(
  full: string,
  opened: boolean,
): { parts: { thought: boolean; text: string }[]; cut: boolean } {
  const shown = full.slice(0, MOST_CHARACTERS);
  const parts: { thought: boolean; text: string }[] = [];
  let at = 0;
  const push = (thought: boolean, from: number, to: number) => {
    if (shown.slice(from, to).trim() !== "") parts.push({ thought, text: shown.slice(from, to) });
  };
  for (const { start, end } of thoughtSpans(shown, opened).spans) {
    push(false, at, start);
    push(true, start, end);
    at = end;
  }
  push(false, at, shown.length);
  return { parts, cut: full.length > shown.length };
}

function text<T extends string | undefined>(value: T): T {
  return (
    value === undefined || value.length <= MOST_CHARACTERS ? value : `${value.slice(0, MOST_CHARACTERS)}…`
  ) as T;
}
