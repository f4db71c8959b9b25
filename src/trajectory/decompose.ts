/**
 * A trajectory with K actions gives K sub-trajectories (s_i, a_i): section 3 of the SWiRL paper (arXiv 2504.04736).
 *
 * States are rebuilt token for token from the record (state_i = (state_{i-1} ++ action_{i-1})[0 … keep_i) ++ append_i):
 * nothing is tokenized again, so what was sampled is what is trained on.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { StepView } from "./step-views.js";
import { stepViews } from "./step-views.js";
import type { Trajectory } from "./trajectory.js";

export interface SubTrajectory {
  trajectoryId: string;
  /** 0-based index of the action within its trajectory. */
  step: number;
  state: Int32Array; // [tokens of s_i]; empty when the policy had no tokens (an endpoint)
  action: Int32Array; // [tokens of a_i]
  logprobs: Float32Array; // [tokens of a_i] under the policy that sampled them
  view: StepView;
}

/** @throws SwirlError RECORD naming the trajectory and the step whose `keep` or `logprobs` cannot be right. */
export function decompose(trajectory: Trajectory): SubTrajectory[] {
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
}

export function rebuildStates(trajectory: Trajectory): Int32Array[] {
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
}

function broken(trajectory: Trajectory, step: number, field: string, what: string): SwirlError {
  return new SwirlError("RECORD", `trajectory ${trajectory.id}: steps.${step}.${field}: ${what}`, {
    remedy: "the record was changed after it was written: synthesize it again",
    details: { field: `steps.${step}.${field}`, trajectory: trajectory.id },
  });
}
