/**
 * What a judge sees of each step: plain text, no gold answer. The history is what the policy itself saw: an action
 * whose chain of thought was stripped from later states appears stripped.
 */
import { requireTrajectory, type Trajectory } from "./trajectory.js";

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

export function stepViews(trajectory: Trajectory): StepView[] {
  if (!Array.isArray(trajectory?.steps)) requireTrajectory(trajectory, "stepViews");
  const history: { action: string; observation?: string }[] = [];
  return trajectory.steps.map((step, i) => {
    const view: StepView = {
      question: trajectory.question,
      history: [...history],
      action: step.text,
      kind: step.kind,
      callsLeft: callsLeftAfter(trajectory, i),
    };
    if (step.call) view.call = step.call;
    if (step.kind === "answer" && trajectory.answer !== undefined) view.answer = trajectory.answer;
    history.push({
      action: step.shown ?? step.text,
      ...(step.observation && { observation: step.observation.text }),
    });
    return view;
  });
}

/** Every action before an answer uses one call up: a malformed one as well. */
function callsLeftAfter(trajectory: Trajectory, step: number): number {
  const used = trajectory.steps.slice(0, step + 1).filter((s) => s.kind !== "answer").length;
  return Math.max(0, trajectory.callLimit - used);
}
