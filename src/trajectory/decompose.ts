/**
 * A trajectory with K actions gives K sub-trajectories (s_i, a_i): section 3 of the SWiRL paper (arXiv 2504.04736).
 *
 * States are rebuilt token for token from the record (state_i = (state_{i-1} ++ action_{i-1})[0 … keep_i) ++ append_i):
 * nothing is tokenized again, so what was sampled is what is trained on.
 */

import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { StepView } from "./step-views.js";
import { stepViews } from "./step-views.js";
import type { Trajectory } from "./trajectory.js";

/** One state and the action taken in it: a training example of step-wise RL. */
export interface SubTrajectory {
  /** Id of the trajectory it comes from. */
  trajectoryId: string;
  /** 0-based index of the action within its trajectory. */
  step: number;
  /** [tokens of s_i] token ids of the state. Empty when the policy had no tokens (an endpoint). */
  state: Int32Array;
  /** [tokens of a_i] token ids of the action. */
  action: Int32Array;
  /** [tokens of a_i] log-probs of the action, under the policy that sampled it. */
  logprobs: Float32Array;
  /** The same step as text, as a judge sees it. */
  view: StepView;
}

/**
 * Splits a trajectory of K actions into its K sub-trajectories (s_i, a_i), in order.
 *
 * @throws SwirlError RECORD naming the trajectory and the step whose `keep` or `logprobs` is inconsistent.
 * @example
 * for (const { state, action } of decompose(trajectory)) console.log(state.length, action.length);
 */
export function decompose(trajectory: Trajectory): SubTrajectory[] {
  return ofArguments("decompose", "a trajectory", () => {
    const views = stepViews(trajectory);
    const states = rebuildStates(trajectory);
    return trajectory.steps.map((step, i) => ({
      trajectoryId: trajectory.id,
      step: i,
      state: states[i]!,
      action: Int32Array.from(step.action),
      logprobs: Float32Array.from(step.logprobs),
      view: views[i]!,
    }));
  });
}

/**
 * The token ids of every state: [steps][tokens of s_i].
 *
 * @throws SwirlError RECORD naming the trajectory and the step whose `keep` or `logprobs` is inconsistent.
 */
export function rebuildStates(trajectory: Trajectory): Int32Array[] {
  return ofArguments("rebuildStates", "a trajectory", () => {
    const states: Int32Array[] = [];
    let before = new Int32Array(0); // state_{i-1} ++ action_{i-1}
    for (const [i, step] of trajectory.steps.entries()) {
      if (step.keep > before.length) {
        throw broken(trajectory, i, "keep", `keeps ${step.keep} tokens of the ${before.length} before it`);
      }
      if (step.logprobs.length !== step.action.length) {
        throw broken(
          trajectory,
          i,
          "logprobs",
          `${step.logprobs.length} log-probs for ${step.action.length} tokens`,
        );
      }
      const state = new Int32Array(step.keep + step.append.length);
      state.set(before.subarray(0, step.keep));
      state.set(step.append, step.keep);
      states.push(state);
      before = new Int32Array(state.length + step.action.length);
      before.set(state);
      before.set(step.action, state.length);
    }
    return states;
  });
}

function broken(trajectory: Trajectory, step: number, field: string, what: string): SwirlError {
  return new SwirlError("RECORD", `trajectory ${trajectory.id}: steps.${step}.${field}: ${what}`, {
    remedy: "the record was changed after it was written: synthesize it again",
    details: { field: `steps.${step}.${field}`, trajectory: trajectory.id },
  });
}
