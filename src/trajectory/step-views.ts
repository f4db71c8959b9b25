/**
 * What a judge sees of each step: plain text, no gold answer. The history is what the policy itself saw: an action
 * whose chain of thought was stripped from later states appears stripped.
 */
import { ofArguments } from "../errors/arguments.js";
import { type RecordedCall, requireTrajectory, type Trajectory } from "./trajectory.js";

/** An earlier step, as the states after it show it. */
export interface PastStep {
  /** The action as text, without its chain of thought where that was stripped. */
  action: string;
  /** The environment's reply. */
  observation?: string;
}

/** What a judge may read. Plain text, so that any model or rule can judge any policy. */
export interface StepView {
  /** The question that the trajectory answers. */
  question: string;
  /** The earlier steps, oldest first: each action and the environment's reply to it. */
  history: readonly PastStep[];
  /** The action to judge, as text. */
  action: string;
  /** What the action is. */
  kind: "call" | "answer" | "malformed";
  /** The call. Present when `kind` is "call". */
  call?: RecordedCall;
  /** The final answer. Present when `kind` is "answer". */
  answer?: string;
  /** Tool calls still allowed after this action. */
  callsLeft: number;
}

/** One view per step, in order. @throws SwirlError RECORD when `trajectory` is not a trajectory. */
export function stepViews(trajectory: Trajectory): StepView[] {
  return ofArguments("stepViews", "a trajectory", () => {
    if (!Array.isArray(trajectory?.steps)) requireTrajectory(trajectory, "stepViews");
    const history: PastStep[] = [];
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
  });
}

/** Every action before an answer uses up one call, even a malformed one. */
function callsLeftAfter(trajectory: Trajectory, step: number): number {
  const used = trajectory.steps.slice(0, step + 1).filter((s) => s.kind !== "answer").length;
  return Math.max(0, trajectory.callLimit - used);
}
