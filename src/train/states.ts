/**
 * The states of kept trajectories, and how a judge sees a fresh action in one of them.
 *
 * States are offline: they come from the record, token for token. Actions are fresh and never executed, so a fresh
 * action has no observation and is read by the same parser as a logged one.
 */
import { createHash } from "node:crypto";
import { SwirlError } from "../errors/swirl-error.js";
import { type ActionText, parseAction } from "../synthesize/parse-action.js";
import { decompose, type SubTrajectory } from "../trajectory/decompose.js";
import type { StepView } from "../trajectory/step-views.js";
import type { ActionFormat, Step, Trajectory } from "../trajectory/trajectory.js";

/** One state of a trajectory with its logged action, and what is needed to act in it. */
export interface TrainingState extends SubTrajectory {
  /** The record it is from. */
  trajectory: Trajectory;
  /** Id of the question. */
  questionId: string;
  /** How actions are written. */
  format: ActionFormat;
  /** Names of the tools. */
  tools: readonly string[];
  /** Calls the trajectory may make in all. */
  callLimit: number;
  /** Kind of the logged action. */
  finishReason: Step["finishReason"];
}

/** Every state of every trajectory, in order. Throws RECORD for one without tokens (rolled out by an endpoint). */
export function statesOf(trajectory: Trajectory): TrainingState[] {
  const { questionId, format, tools, callLimit } = trajectory;
  return decompose(trajectory).map((sub) => {
    if (sub.state.length === 0 || sub.action.length === 0)
      throw new SwirlError(
        "RECORD",
        `trajectory ${trajectory.id}, step ${sub.step + 1} has no tokens: ${trajectory.policy} does not record them`,
        {
          remedy: "train on trajectories of a native policy, or of Policy.connect({ servers })",
          details: { field: `steps.${sub.step}`, trajectory: trajectory.id },
        },
      );
    const { finishReason } = trajectory.steps[sub.step]!;
    return { ...sub, trajectory, questionId, format, tools, callLimit, finishReason };
  });
}

/** What a judge sees of `action` in this state: the logged history, and the action as parsed. */
export function freshView(state: TrainingState, action: ActionText): StepView {
  const parsed = parseAction(action, state.format, state.tools);
  const callsBefore = Math.max(0, state.callLimit - state.step);
  return {
    question: state.view.question,
    history: state.view.history,
    action: parsed.text,
    kind: parsed.kind,
    ...(parsed.kind === "call" ? { call: parsed.call } : {}),
    ...(parsed.kind === "answer" ? { answer: parsed.answer } : {}),
    callsLeft: parsed.kind === "answer" ? callsBefore : Math.max(0, callsBefore - 1),
  };
}

/** SHA-256 over states and logged actions, to check that a resumed run trains on the same data. */
export function fingerprint(sequences: readonly { state: Int32Array; action: Int32Array }[]): string {
  const hash = createHash("sha256");
  for (const { state, action } of sequences) {
    hash.update(Int32Array.of(state.length, action.length));
    hash.update(state);
    hash.update(action);
  }
  return hash.digest("hex");
}
