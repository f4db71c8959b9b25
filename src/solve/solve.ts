/**
 * Stage 3: step-wise inference (SWiRL, section 3.3). One question, live tools, until an answer or the limit.
 *
 * The same loop as synthesis, greedy by default. The result is the whole trajectory: `answer` is undefined when none
 * was given, and `end` says why.
 */
import { z } from "zod";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { callback, signalSchema } from "../options/schemas.js";
import { policySchema } from "../policy/policy.js";
import { rollout } from "../synthesize/rollout.js";
import { rolloutShape, taskSchema } from "../synthesize/rollout-options.js";
import { rolloutSetup } from "../synthesize/rollout-setup.js";
import { type Question, requireQuestion } from "../trajectory/question.js";
import type { Step, Trajectory } from "../trajectory/trajectory.js";

export const solveSchema = z.strictObject({
  policy: policySchema,
  /** Prompt, tools and call limit: searchTask(tool), calculatorTask(tool) or defineTask({ … }). */
  task: taskSchema,
  temperature: samplingTemperature.default(0), // 0 = greedy
  seed: z.int().default(0),
  signal: signalSchema.optional(),
  /** Called after each step, its observation included. */
  onStep: callback<Step>("onStep").optional(),
  ...rolloutShape,
});

export type SolveOptions = z.input<typeof solveSchema>;

/** @throws SwirlError CONFIG for bad options, ABORTED; a policy that cannot act gives `end: "failed"` and `error`. */
export async function solve(question: string | Question, options: SolveOptions): Promise<Trajectory> {
  const { policy, task, signal, onStep, ...rest } = parseOptions(solveSchema, options, "solve");
  const asked =
    typeof question === "string"
      ? { id: "question", question, answers: [] }
      : requireQuestion(question, "solve");
  return rollout(asked, 0, rolloutSetup(policy, task, rest), signal, onStep);
}
